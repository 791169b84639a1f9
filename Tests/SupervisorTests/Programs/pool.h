// What workers that misbehave have in common: one of the pool does, the others serve.
#pragma once
#include "answer.h"

/// The first worker of slot 0; also a process that is no worker at all.
static inline int misbehaves(void) {
    const char *slot = getenv("RELOADERD_SLOT"), *generation = getenv("RELOADERD_GENERATION");
    return (!slot || !strcmp(slot, "0")) && (!generation || !strcmp(generation, "1"));
}

static inline void say_ready(void) {
    const char *number = getenv("READY_FD");
    if (number && write(atoi(number), "READY=1\n", 8) != 8) perror("READY_FD");
}

/// A line in one piece, whatever other threads and workers write.
static inline void say(const char *what) {
    char line[128];
    int length = snprintf(line, sizeof line, "%s\n", what);
    if (write(2, line, (size_t)length) != length) _exit(3);
}

static inline int listen_at(const char *port) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = loopback(port);
    check(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
    check(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
    check(listen(listener, 128), "listen");
    return listener;
}

/// A good worker, for ever.
static inline void serve(const char *port) {
    int listener = listen_at(port);
    say_ready();
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection >= 0) answer(connection);
    }
}
