// Serves PORT from a thread, and binds in a way that few programs do. Each bind is told on standard error.
// awkward held PORT GATE         says so when it has accepted, and answers when a line can be read from the gate
// awkward late PORT PORT...      says that it is ready, then binds each of the other ports at every SIGUSR1
// awkward two PORT PORT...       listens on all of them, one after the other
// awkward own-table PORT [GATE]  like held, in a thread with descriptors of its own; the main thread has another socket
// awkward no-leader PORT [GATE]  like held, in a thread of a process whose first thread has ended
// awkward survivor PORT FIFO PORT leaves a process behind that says to the FIFO who it is, and binds at every SIGUSR1
// awkward flood PORT N           at SIGUSR1, listens on N more ports, from 32000 on: above those of the tests
#define _GNU_SOURCE
#include "answer.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

static int listener, output = 2;
static pid_t first_thread;
static const char *gate;

static void say(const char *what, const char *port, int result) {
    char line[128];
    int length = snprintf(line, sizeof line, "%s %s: %s\n", what, port, result < 0 ? strerror(errno) : "done");
    if (write(output, line, (size_t)length) != length) _exit(3);
}

static void ready(void) {
    const char *number = getenv("READY_FD");
    if (number && write(atoi(number), "READY=1\n", 8) != 8) perror("ready");
}

static int bound(int number, const char *port) {
    int one = 1;
    struct sockaddr_in address = loopback(port);
    check(setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), "setsockopt");
    return bind(number, (struct sockaddr *)&address, sizeof address);
}

static int open_socket(void) {
    int number = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(number, "socket");
    return number;
}

// Only the first generation is held.
static void wait_at_gate(void) {
    const char *generation = getenv("RELOADERD_GENERATION");
    if (!generation || strcmp(generation, "1")) return;
    say("accepts", "one", 0);
    char line;
    int number = open(gate, O_RDONLY | O_CLOEXEC);
    check(number, gate);
    while (read(number, &line, 1) == 1 && line != '\n') {}
    close(number);
}

static void *serve(void *unused) {
    (void)unused;
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0) continue;
        if (gate) wait_at_gate();
        answer(connection);
    }
    return NULL;
}

static void begin(const char *port) {
    int result = bound(listener, port);
    if (result == 0) result = listen(listener, 128);
    say("serves", port, result);
}

static void start(void *(*body)(void *), void *argument) {
    pthread_t thread;
    check(-pthread_create(&thread, NULL, body, argument), "pthread_create");
}

// Each is closed again, so that the next bind is not one of a port that it has already.
static void bind_at_signals(char **ports) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    for (int number; sigwait(&signals, &number) == 0;)
        for (char **port = ports; *port; port++) {
            int extra = open_socket();
            say("binds", *port, bound(extra, *port));
            close(extra);
        }
}

static void *own_table(void *port) {
    check(unshare(CLONE_FILES), "unshare");
    check(dup2(open_socket(), listener), "dup2");
    begin(port);
    ready();
    return serve(NULL);
}

static void *no_leader(void *port) {
    // The first thread has ended when the kernel has nothing left of it but its number.
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", first_thread, first_thread);
    while (state != 'Z') {
        FILE *file = fopen(path, "r");
        if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1) exit(1);
        fclose(file);
        sched_yield();
    }
    begin(port);
    ready();
    return serve(NULL);
}

static void flood(const char *count) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    int signal;
    sigwait(&signals, &signal);
    for (int port = 32000, left = atoi(count); left > 0 && port < 65536; port++) {
        char text[12];
        snprintf(text, sizeof text, "%d", port);
        int number = open_socket();
        if (bound(number, text) == 0 && listen(number, 1) == 0) left--;
        else close(number);
    }
    say("floods", count, 0);
}

static void leave_survivor(const char *fifo, char **ports) {
    pid_t child = fork();
    check(child, "fork");
    if (child > 0) return;
    setsid();
    if (fork() > 0) _exit(0);
    char number[16];
    snprintf(number, sizeof number, "%d", getpid());
    output = open(fifo, O_WRONLY | O_CLOEXEC);
    check(output, fifo);
    say("survives", number, 0);
    bind_at_signals(ports);
}

int main(int count, char **words) {
    if (count < 3) return 64;
    const char *way = words[1];
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    first_thread = getpid();
    listener = open_socket();
    if (!strcmp(way, "own-table") || !strcmp(way, "no-leader") || !strcmp(way, "held")) gate = words[3];
    if (!strcmp(way, "own-table")) {
        start(own_table, words[2]);
        for (;;) pause();
    }
    if (!strcmp(way, "no-leader")) {
        start(no_leader, words[2]);
        pthread_exit(NULL);
    }
    begin(words[2]);
    if (!strcmp(way, "two")) {
        for (char **port = words + 3; *port; port++) {
            int number = open_socket(), result = bound(number, *port);
            say("serves", *port, result == 0 ? listen(number, 128) : result);
        }
    } else if (!strcmp(way, "survivor")) {
        if (count < 5) return 64;
        leave_survivor(words[3], words + 4);
    }
    start(serve, NULL);
    ready();
    if (!strcmp(way, "flood")) flood(words[3]);
    bind_at_signals(words + 3);
}
