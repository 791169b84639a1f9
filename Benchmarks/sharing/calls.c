// What a call costs: nanoseconds, a line of JSON to standard error, then waits. calls ROUNDS
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

int main(int count, char **words) {
    long rounds = count > 1 ? atol(words[1]) : 1000000;
    char bytes[512] = {0};
    int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY), ends[2];
    // Port 0: not shared, so it is the same socket with and without sharing.
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    if (bind(listener, (void *)&address, size) || listen(listener, 8) || getsockname(listener, (void *)&address, &size) ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
        return 1;
    double start = now();
    for (long i = 0; i < rounds; i++) syscall(SYS_getppid);
    double getppid_ = (now() - start) / rounds;
    start = now();
    for (long i = 0; i < rounds; i++) if (read(zero, bytes, 1) != 1) return 1;
    double read_ = (now() - start) / rounds;
    start = now();
    for (long i = 0; i < rounds; i++) if (write(null, bytes, 1) != 1) return 1;
    double write_ = (now() - start) / rounds;
    start = now();
    for (long i = 0; i < rounds; i++) if (accept(listener, NULL, NULL) >= 0) return 1;
    double refused = (now() - start) / rounds;
    start = now();
    for (long i = 0; i < rounds / 10; i++) {
        if (write(ends[0], bytes, sizeof bytes) != sizeof bytes || read(ends[1], bytes, sizeof bytes) != sizeof bytes) return 1;
    }
    double passed = (now() - start) / (rounds / 10);
    start = now();
    for (long i = 0; i < rounds / 100; i++) {
        int client = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(client, (void *)&address, sizeof address)) return 1;
        int server = accept(listener, NULL, NULL);
        if (write(client, bytes, 128) != 128 || read(server, bytes, 128) != 128 || write(server, bytes, 256) != 256 ||
            read(client, bytes, 256) != 256)
            return 1;
        close(server);
        close(client);
    }
    double request = (now() - start) / (rounds / 100);
    fprintf(
        stderr,
        "{\"event\":\"calls\",\"getppid\":%.2f,\"read /dev/zero\":%.2f,\"write /dev/null\":%.2f,\"accept, nobody there\":%.2f,"
        "\"write and read 512 bytes\":%.2f,\"connect, accept, ask, answer, close\":%.2f}\n",
        getppid_, read_, write_, refused, passed, request);
    const char *ready = getenv("READY_FD");
    if (ready && write(atoi(ready), "READY=1\n", 8) != 8) return 1;
    for (;;) pause();
}
