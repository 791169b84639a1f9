// A worker with something that holds up those who touch it: holding WHAT PAGE PORT. The first worker of slot 0 does,
// the others serve at the port. It is ready first, says `holding` on standard error, and then has for ever
//   bind     called bind(2) with an address in a page that does not come
//   send     listened at the port, and called send(2) for its first connection from such a page: the kernel holds the
//            lock of that connection meanwhile. All further connections are answered
//   linger   listened at the port, and set SO_LINGER on its first connection, whose client reads nothing: who closes
//            it last waits for ten minutes
//   memory   held the lock of its memory (mmap_lock), for which a look into /proc/PID/environ waits. SIGKILL does not
//            end it then
//   open     500 descriptors of PAGE, whose close may wait
// PAGE is a file of stuck-files, READ (FLUSH for `open`) of which is held; or, for `bind` and `send`, `userfaultfd`,
// which needs root, and says `fault` for each page that somebody waits for. A wait for that ends with SIGKILL, a wait
// for the file does not. (The kernel reads no environment from such pages: it says that there is none.)
#define _GNU_SOURCE
#include "pool.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { page = 4096 };

static const char *source, *port;

static void start(void *(*body)(void *), void *argument) {
    pthread_t thread;
    check(-pthread_create(&thread, NULL, body, argument), "pthread_create");
}

static void *tell_faults(void *number) {
    struct uffd_msg message;
    while (read((int)(intptr_t)number, &message, sizeof message) == sizeof message)
        if (message.event == UFFD_EVENT_PAGEFAULT) say("fault");
    return NULL;
}

static void register_faults(void *place, size_t size) {
    int number = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    check(number, "userfaultfd");
    struct uffdio_api api = {.api = UFFD_API};
    check(ioctl(number, UFFDIO_API, &api), "UFFDIO_API");
    struct uffdio_register range = {{(uintptr_t)place, size}, UFFDIO_REGISTER_MODE_MISSING, 0};
    check(ioctl(number, UFFDIO_REGISTER, &range), "UFFDIO_REGISTER");
    start(tell_faults, (void *)(intptr_t)number);
}

static char *missing_page(void) {
    int faults = strcmp(source, "userfaultfd") == 0;
    int file = faults ? -1 : open(source, O_RDONLY | O_CLOEXEC);
    if (!faults) check(file, source);
    char *place = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | (faults ? MAP_ANONYMOUS : 0), file, 0);
    if (place == MAP_FAILED) perror("mmap"), exit(1);
    if (faults) register_faults(place, page);
    return place;
}

static void hold_bind(void) {
    int number = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr *address = (void *)missing_page();
    say("holding");
    bind(number, address, sizeof(struct sockaddr_in));
}

static void *send_missing(void *connection) {
    char *place = missing_page();
    say("holding");
    send((int)(intptr_t)connection, place, page, 0);
    return NULL;
}

static void hold_send(int listener) {
    start(send_missing, (void *)(intptr_t)accept(listener, NULL, NULL));
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection >= 0) answer(connection);
    }
}

static void hold_linger(int listener) {
    static char bytes[1 << 16];
    int connection = accept(listener, NULL, NULL);
    struct linger linger = {1, 600};
    check(setsockopt(connection, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), "SO_LINGER");
    // Until no more fits; then it blocks, for only the close of such a one waits.
    while (send(connection, bytes, sizeof bytes, MSG_DONTWAIT) > 0) continue;
    say("holding");
}

static _Atomic pid_t reader;

static void *read_missing(void *file) {
    char byte;
    reader = gettid();
    if (read((int)(intptr_t)file, &byte, 1) < 0) perror("read");
    return NULL;
}

// In a request to the file server, so the page that it reads is locked.
static int reader_waits(void) {
    char path[64], text[64] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/wchan", reader);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    if (read(file, text, sizeof text - 1) < 0) text[0] = 0;
    close(file);
    return !strcmp(text, "request_wait_answer");
}

// A mapping of a file that bypasses the page cache first empties it, which waits for the page that is being read.
static void *map_past_cache(void *file) {
    mmap(NULL, page, PROT_READ, MAP_PRIVATE, (int)(intptr_t)file, 0);
    return NULL;
}

static void hold_memory(void) {
    int cached = open(source, O_RDONLY | O_CLOEXEC), direct = open(source, O_RDWR | O_CLOEXEC);
    check(cached, source);
    check(direct, source);
    start(read_missing, (void *)(intptr_t)cached);
    while (!reader_waits()) usleep(1000);
    say("holding");
    start(map_past_cache, (void *)(intptr_t)direct);
}

static void hold_open(void) {
    struct rlimit limit;
    check(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    check(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
    for (int i = 0; i < 500; i++) check(open(source, O_RDONLY | O_CLOEXEC), source);
    say("holding");
}

int main(int count, char **words) {
    if (count < 4) return 64;
    const char *what = words[1];
    source = words[2], port = words[3];
    if (!misbehaves()) serve(port);
    int listener = !strcmp(what, "send") || !strcmp(what, "linger") ? listen_at(port) : -1;
    say_ready();
    if (!strcmp(what, "bind")) hold_bind();
    else if (!strcmp(what, "send")) hold_send(listener);
    else if (!strcmp(what, "linger")) hold_linger(listener);
    else if (!strcmp(what, "memory")) hold_memory();
    else if (!strcmp(what, "open")) hold_open();
    for (;;) pause();
}
