// What a kernel can, found out by trying it, since versions say little: distributions backport, and containers filter.
#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL  // Linux 6.9
#endif

// struct pidfd_info and PIDFD_GET_INFO of linux/pidfd.h, which the headers of older kernels lack.
struct process_info {
    uint64_t mask, cgroup;
    uint32_t ids[11];
    int32_t exit_code;
};
enum { has_exit = 1 << 3 };
#define GET_INFO _IOWR(0xFF, 11, struct process_info)

// Starts a child that ends at once. Returns its pidfd, or -1 with errno set.
static int start_child(pid_t *child) {
    int pidfd = -1;
    *child = (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &pidfd, 0, 0);
    if (*child == 0) _exit(0);
    if (*child > 0 && pidfd < 0) errno = ENOSYS;  // before Linux 5.2 the flag means nothing
    return *child < 0 ? -1 : pidfd;
}

static int reap(pid_t child) {
    struct rl_exit exit;
    return rl_reap_child(child, &exit);
}

static int closing(int descriptor, int result) {
    int error = errno;
    if (descriptor >= 0) close(descriptor);
    return errno = error, result;
}

int rl_try_clone(void) {
    pid_t child;
    int pidfd = start_child(&child);
    int error = errno;
    if (child > 0 && reap(child) < 0) return closing(pidfd, -1);
    errno = error;
    return closing(pidfd, pidfd < 0 ? -1 : 0);
}

int rl_try_exit_info(void) {
    pid_t child;
    int pidfd = start_child(&child);
    int error = errno;
    if (child > 0 && reap(child) < 0) return closing(pidfd, -1);
    if (pidfd < 0) return errno = error, -1;
    struct process_info info = {.mask = has_exit};
    if (ioctl(pidfd, GET_INFO, &info) < 0) return closing(pidfd, -1);
    if (info.mask & has_exit) return closing(pidfd, 0);
    close(pidfd);
    return errno = ENOSYS, -1;
}

int rl_try_close_range(void) { return (int)syscall(SYS_close_range, ~0U, ~0U, CLOSE_RANGE_CLOEXEC); }

int rl_try_thread_pidfd(void) {
    int pidfd = (int)syscall(SYS_pidfd_open, getpid(), PIDFD_THREAD);
    if (pidfd < 0) return -1;
    return closing(pidfd, 0);
}
