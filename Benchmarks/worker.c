// The smallest worker: writes when it began to run to the FIFO named by BENCH_FIFO, is ready after BOOT milliseconds
// (its argument), and ends at its first SIGTERM. Static, so that the daemon is measured and not a dynamic linker.
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int count, char **words) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const char *fifo = getenv("BENCH_FIFO"), *ready = getenv("READY_FD");
    if (fifo) {
        int64_t record[2] = {getpid(), (int64_t)now.tv_sec * 1000000000 + now.tv_nsec};
        int out = open(fifo, O_WRONLY | O_CLOEXEC);
        if (out < 0 || write(out, record, sizeof record) != sizeof record) return 1;
        close(out);
    }
    int milliseconds = count > 1 ? atoi(words[1]) : 0;
    struct timespec boot = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    nanosleep(&boot, NULL);
    if (ready && write(atoi(ready), "\n", 1) != 1) return 1;
    for (;;) pause();
}
