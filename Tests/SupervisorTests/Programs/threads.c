// Eight threads that block in accept. threads PORT
#include "answer.h"
#include <pthread.h>

static void *serve(void *argument) {
    for (;;) {
        int connection = accept(*(int *)argument, NULL, NULL);
        if (connection >= 0) answer(connection);
    }
    return NULL;
}

int main(int count, char **words) {
    if (count < 2) return 64;
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = loopback(words[1]);
    check(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), "setsockopt");
    check(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
    check(listen(listener, 512), "listen");
    for (int i = 0; i < 7; i++) {
        pthread_t thread;
        check(-pthread_create(&thread, NULL, serve, &listener), "pthread_create");
    }
    serve(&listener);
}
