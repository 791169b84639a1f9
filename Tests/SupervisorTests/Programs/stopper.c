// A hostile neighbour: sends SIGSTOP to each new process of its own user, as early as it may. stopper COUNT says
// `stopping`, then `stopped PID` for each, and ends after COUNT of them or with its input.
//
// Numbers of processes rise by one. It asks for those that come next, again and again without a pause: the kernel says
// that there is none (ESRCH), that it is somebody else's (EPERM), and stops it in the moment in which it has become its
// own user's, between setuid(2) and execve(2) of a new worker. Two threads: one that sends, one that waits for the end.
#include "answer.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

enum { window = 64 };

static int newest(void) {
    static int file = -1;
    char text[64] = "";
    if (file < 0) file = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
    check(file, "/proc/loadavg");
    if (pread(file, text, sizeof text - 1, 0) < 0) return 0;
    char *last = strrchr(text, ' ');
    return last ? atoi(last) : 0;
}

static void *end_with_input(void *unused) {
    char byte;
    while (read(0, &byte, 1) > 0) continue;
    exit(0);
    return unused;
}

int main(int count, char **words) {
    if (count != 2) return 64;
    pthread_t thread;
    check(-pthread_create(&thread, NULL, end_with_input, NULL), "pthread_create");
    // What was there before is none of its business, nor are its own threads.
    int first = newest() + 1, left = atoi(words[1]);
    printf("stopping\n");
    fflush(stdout);
    while (left > 0) {
        int last = newest();
        // The numbers begin again.
        if (last < first - window) first = last;
        if (last - first > window) first = last - window;
        for (int pid = first; pid <= last + 2; pid++) {
            if (pid <= 1 || kill(pid, SIGSTOP) != 0) continue;
            printf("stopped %d\n", pid);
            fflush(stdout);
            first = pid + 1;
            if (--left == 0) break;
        }
    }
    for (;;) pause();
}
