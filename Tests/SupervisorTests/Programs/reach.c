// What a process may do to another one of its user: reach PID tries each way into its memory and its descriptors, and
// writes a line for each that is open, or `nothing`.
#define _GNU_SOURCE
#include "answer.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static int open_of(pid_t pid, const char *name, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    return open(path, flags | O_CLOEXEC);
}

static int take_descriptor(pid_t pid) {
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    check(pidfd, "pidfd_open");
    return (int)syscall(SYS_pidfd_getfd, pidfd, 0, 0);
}

// An address that nobody has: EFAULT comes after the right was checked.
static int write_memory(pid_t pid) {
    char byte = 0;
    struct iovec here = {&byte, 1}, there = {(void *)(uintptr_t)8, 1};
    return process_vm_writev(pid, &here, 1, &there, 1, 0) >= 0 || errno == EFAULT ? 0 : -1;
}

int main(int count, char **words) {
    if (count != 2) return 64;
    pid_t pid = atoi(words[1]);
    int open = 0;
#define TRY(way, ...) \
    if ((__VA_ARGS__) >= 0) open++, puts(way)
    TRY("memory", open_of(pid, "mem", O_RDWR));
    TRY("environment", open_of(pid, "environ", O_RDONLY));
    TRY("descriptors", open_of(pid, "fd", O_RDONLY | O_DIRECTORY));
    TRY("killer", open_of(pid, "oom_score_adj", O_RDWR));
    TRY("writing", write_memory(pid));
    TRY("taking", take_descriptor(pid));
    TRY("tracing", (int)ptrace(PTRACE_SEIZE, pid, 0, 0));
    if (open == 0) puts("nothing");
    return 0;
}
