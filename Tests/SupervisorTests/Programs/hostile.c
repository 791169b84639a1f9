// Tells that it is ready, and then treats bind(2) and listen(2) as nobody should; does nothing else, and ends never,
// save in `exit`. Bounded. hostile hammer|garbage|exit|fork PORT SEED
#include "answer.h"
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

static const char *port;

static void ready(void) {
    const char *number = getenv("READY_FD");
    if (number && write(atoi(number), "READY=1\n", 8) != 8) perror("ready");
}

static void said(const char *what) {
    char line[64];
    int length = snprintf(line, sizeof line, "hostile: %s\n", what);
    if (write(2, line, (size_t)length) != length) _exit(3);
}

static int open_and_bind(void) {
    int number = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = loopback(port);
    if (bind(number, (struct sockaddr *)&address, sizeof address) == 0) listen(number, 16);
    return number;
}

// Each socket is closed again, as fast as it goes.
static void *hammer(void *rounds) {
    for (int i = 0; i < *(int *)rounds; i++) close(open_and_bind());
    return NULL;
}

static void run_threads(void *(*body)(void *), int count, int rounds) {
    pthread_t threads[16];
    for (int i = 0; i < count; i++) check(-pthread_create(&threads[i], NULL, body, &rounds), "pthread_create");
    for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

static uint64_t state;
static uint64_t draw(uint64_t bound) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state % bound;
}

// Descriptors, addresses, lengths and backlogs that make no sense, in all combinations that chance brings.
static void garbage(int rounds) {
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) exit(1);
    munmap(pages + 4096, 4096);
    int ends[2];
    check(pipe(ends), "pipe");
    for (int i = 0; i < rounds; i++) {
        int family = (const int[]){AF_INET, AF_INET6, AF_UNIX, AF_NETLINK}[draw(4)];
        int type = (const int[]){SOCK_STREAM, SOCK_DGRAM, SOCK_RAW}[draw(3)];
        int own = socket(family, type | SOCK_CLOEXEC, 0);
        const int descriptors[] = {own, own, own, own, -1, INT_MAX, INT_MIN, ends[0], 1000000, 100};
        struct sockaddr_storage address;
        for (size_t k = 0; k < sizeof address; k++) ((unsigned char *)&address)[k] = (unsigned char)draw(256);
        address.ss_family = (sa_family_t)(const int[]){AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC, 255, 65535}[draw(6)];
        memcpy(pages + 4096 - 8, &address, 8);
        const uintptr_t pointers[] = {
            (uintptr_t)&address, (uintptr_t)&address, (uintptr_t)&address, 0, 1, UINTPTR_MAX, 0xffff800000000000,
            (uintptr_t)pages + 4096 - 8, (uintptr_t)pages + 4096 - 1, (uintptr_t)pages + 4096};
        const unsigned lengths[] = {0, 1, 2, 3, 8, 15, 16, 17, 24, 27, 28, 29,
                                    110, 127, 128, 129, 4096, INT_MAX, UINT_MAX, 1u << 31};
        bind(descriptors[draw(10)], (struct sockaddr *)pointers[draw(10)], lengths[draw(20)]);
        listen(descriptors[draw(10)], (const int[]){0, 1, -1, INT_MAX, INT_MIN, 128}[draw(6)]);
        close(own);
    }
}

// The process ends while its threads wait for an answer.
static void leave_within_calls(void) {
    static int rounds = INT_MAX;
    pthread_t thread;
    for (int i = 0; i < 8; i++) check(-pthread_create(&thread, NULL, hammer, &rounds), "pthread_create");
    usleep(20000);  // the race that is wanted: by then threads are within calls
    _exit(0);
}

static void fork_children(int count) {
    for (int i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            close(open_and_bind());
            _exit(0);
        }
        check(pid, "fork");
        // No more than twenty at a time.
        if (i >= 20 && wait(NULL) < 0) perror("wait");
    }
    while (wait(NULL) > 0) {}
}

int main(int count, char **words) {
    if (count < 4) return 64;
    port = words[2];
    state = 0x9E3779B97F4A7C15 ^ (uint64_t)atoi(words[3]);
    ready();
    if (!strcmp(words[1], "hammer")) run_threads(hammer, 4, 5000);
    else if (!strcmp(words[1], "garbage")) garbage(20000);
    else if (!strcmp(words[1], "exit")) leave_within_calls();
    else if (!strcmp(words[1], "fork")) fork_children(1000);
    else return 64;
    said("done");
    for (;;) pause();
}
