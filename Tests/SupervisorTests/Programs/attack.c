// A compromised worker: attack WHAT PORT GATE TOLD. All workers serve at the port; the first one of slot 0 then waits
// until it reads a byte from the FIFO GATE, attacks for as long as it lives, and writes a line to the FIFO TOLD when it
// has attacked a hundred times:
//   ready, notify, output  writes to its ready pipe, its notify socket, its standard output as fast as they take it
//   listen                 binds sockets to its port, listens on each ten times, and closes it
//   threads                does that in 200 threads
//   descriptors            listens on as many sockets as it may have, with a port for each
//   privileged             binds each port below 1024 in turn
//   execute                executes a program in a new process, again and again
//   escape                 leaves processes behind that lead a session of their own and ignore SIGTERM, 40 at most
#include "pool.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/un.h>
#include <sys/wait.h>

static const char *port, *told;

static void count_one(void) {
    static _Atomic int attacks;
    if (++attacks != 100) return;
    int fifo = open(told, O_WRONLY | O_CLOEXEC);
    if (fifo < 0 || write(fifo, "attacking\n", 10) != 10) _exit(3);
    close(fifo);
}

static void flood(int number, const char *text) {
    for (;;) {
        if (write(number, text, strlen(text)) < 0 && errno != EAGAIN) pause();
        count_one();
    }
}

static void flood_notify(void) {
    int sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", getenv("NOTIFY_SOCKET"));
    for (int i = 0;; i++) {
        char text[64];
        int size = snprintf(text, sizeof text, "STATUS=%d\nREADY=1\nEXTEND_TIMEOUT_USEC=1\nBARRIER=1\n\n", i);
        sendto(sender, text, (size_t)size, 0, (struct sockaddr *)&address, sizeof address);
        count_one();
    }
}

static void *flood_listen(void *unused) {
    for (;;) {
        int number = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = loopback(port);
        bind(number, (struct sockaddr *)&address, sizeof address);
        for (int i = 0; i < 10; i++) listen(number, 16);
        close(number);
        count_one();
    }
    return unused;
}

static void bomb_threads(void) {
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, flood_listen, NULL) != 0) break;
    }
}

static void bomb_descriptors(void) {
    for (;;) {
        int number = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = loopback("0");
        bind(number, (struct sockaddr *)&address, sizeof address);
        listen(number, 16);
        count_one();
    }
}

static void bind_privileged(void) {
    for (int i = 1;; i = i % 1023 + 1) {
        char text[8];
        snprintf(text, sizeof text, "%d", i);
        int number = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = loopback(text);
        if (bind(number, (struct sockaddr *)&address, sizeof address) == 0) _exit(4);
        close(number);
        count_one();
    }
}

static void execute_much(void) {
    for (;;) {
        pid_t pid = fork();
        if (pid == 0) {
            execl("/bin/true", "true", NULL);
            _exit(1);
        }
        if (pid > 0) waitpid(pid, NULL, 0);
        count_one();
    }
}

// The process between ends at once, so that the daemon gets its child.
static void escape(void) {
    for (int i = 0;; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            setsid();
            if (fork() != 0 || i >= 40) _exit(0);
            setsid();
            signal(SIGTERM, SIG_IGN);
            for (;;) pause();
        }
        if (pid > 0) waitpid(pid, NULL, 0);
        count_one();
    }
}

static void *serve_all(void *listener) {
    for (;;) {
        int connection = accept((int)(intptr_t)listener, NULL, NULL);
        if (connection >= 0) answer(connection);
    }
    return NULL;
}

int main(int count, char **words) {
    if (count != 5) return 64;
    const char *what = words[1];
    port = words[2], told = words[4];
    if (!misbehaves()) serve(port);
    int listener = listen_at(port);
    say_ready();
    pthread_t thread;
    check(-pthread_create(&thread, NULL, serve_all, (void *)(intptr_t)listener), "pthread_create");
    int gate = open(words[3], O_RDONLY | O_CLOEXEC);
    char byte;
    check(gate, words[3]);
    if (read(gate, &byte, 1) != 1) return 1;
    if (!strcmp(what, "ready")) flood(atoi(getenv("READY_FD")), "STATUS=a\nSTATUS=b\nREADY=1\nnonsense\nWATCHDOG=1\n");
    if (!strcmp(what, "notify")) flood_notify();
    if (!strcmp(what, "output")) flood(1, "time=2026-01-01T00:00:00Z level=info event=reload_done msg=\"forged\"\n");
    if (!strcmp(what, "listen")) flood_listen(NULL);
    if (!strcmp(what, "threads")) bomb_threads();
    if (!strcmp(what, "descriptors")) bomb_descriptors();
    if (!strcmp(what, "privileged")) bind_privileged();
    if (!strcmp(what, "execute")) execute_much();
    if (!strcmp(what, "escape")) escape();
    for (;;) pause();
}
