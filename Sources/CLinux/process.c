// Children: how they are reaped and signalled.
#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP (1UL << 2)  // Linux 6.9
#endif

static int wait_for(idtype_t kind, id_t id, int options, struct rl_exit *exit) {
    siginfo_t info = {0};
    int result;
    do result = waitid(kind, id, &info, WEXITED | WNOHANG | options);
    while (result < 0 && errno == EINTR);
    *exit = (struct rl_exit){0};
    if (result < 0 || info.si_pid == 0) return result;
    exit->pid = info.si_pid;
    exit->signaled = info.si_code != CLD_EXITED;
    exit->core_dumped = info.si_code == CLD_DUMPED;
    exit->status = info.si_status;
    return 0;
}

int rl_reap_pidfd(int pidfd, struct rl_exit *exit) { return wait_for(P_PIDFD, (id_t)pidfd, 0, exit); }

int rl_peek_pidfd(int pidfd, struct rl_exit *exit) { return wait_for(P_PIDFD, (id_t)pidfd, WNOWAIT, exit); }

int rl_next_stop_or_go_on(struct rl_stop *stop) {
    siginfo_t info = {0};
    int result;
    do result = waitid(P_ALL, 0, &info, WSTOPPED | WCONTINUED | WNOHANG);
    while (result < 0 && errno == EINTR);
    *stop = (struct rl_stop){0};
    if (result < 0) return errno == ECHILD ? 0 : result;
    if (info.si_pid == 0) return 0;
    stop->pid = info.si_pid;
    stop->signal = info.si_code == CLD_STOPPED ? info.si_status : 0;
    return 0;
}

int rl_peek_child(struct rl_exit *exit) {
    int result = wait_for(P_ALL, 0, WNOWAIT, exit);
    return result < 0 && errno == ECHILD ? 0 : result;
}

int rl_reap_child(pid_t pid, struct rl_exit *exit) {
    // The child is known to end: without WNOHANG, a child that is still on its way out is waited for.
    siginfo_t info = {0};
    int result;
    do result = waitid(P_PID, (id_t)pid, &info, WEXITED);
    while (result < 0 && errno == EINTR);
    *exit = (struct rl_exit){0};
    if (result < 0) return result;
    exit->pid = info.si_pid;
    exit->signaled = info.si_code != CLD_EXITED;
    exit->core_dumped = info.si_code == CLD_DUMPED;
    exit->status = info.si_status;
    return 0;
}

// The first published form of struct pidfd_info of <linux/pidfd.h>, with which later kernels must go on to work.
struct exit_info {
    uint64_t mask, cgroup;
    uint32_t process_and_user_ids[11];
    int32_t status;  // as wait(2) has it
};
_Static_assert(sizeof(struct exit_info) == 64, "the kernel tells the versions apart by their size");

int rl_exit_of_stranger(int pidfd, struct rl_exit *exit) {
    const uint64_t exit_is_known = 1 << 3;
    struct exit_info info = {.mask = exit_is_known};
    *exit = (struct rl_exit){0};
    int result = ioctl(pidfd, _IOWR(0xFF, 11, struct exit_info), &info);
    // ESRCH: it has ended, and its parent has not reaped it. The others are those of kernels that don't know the call.
    if (result < 0) return errno == ESRCH || errno == EINVAL || errno == ENOTTY ? 0 : result;
    if (!(info.mask & exit_is_known)) return 0;
    exit->pid = -1;
    exit->signaled = WIFSIGNALED(info.status);
    exit->core_dumped = exit->signaled && WCOREDUMP(info.status);
    exit->status = exit->signaled ? WTERMSIG(info.status) : WEXITSTATUS(info.status);
    return 0;
}

int rl_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int rl_signal(int pidfd, int signal) { return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0); }

int rl_signal_group(int pidfd, pid_t leader, int signal) {
    int result = (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, PIDFD_SIGNAL_PROCESS_GROUP);
    if (result < 0 && errno == EINVAL) result = kill(-leader, signal);
    return result;
}

int rl_kill_with_group(int pidfd, pid_t leader) {
    // The process first: it may be in another group by now, and the group that it led may be empty.
    int result = rl_signal(pidfd, SIGKILL);
    int error = errno;
    rl_signal_group(pidfd, leader, SIGKILL);
    errno = error;
    return result;
}

int rl_name_process(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }

int rl_become_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

int rl_file_descriptor_limit_raise(uint64_t *soft, uint64_t *hard) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -1;
    *soft = limit.rlim_cur;
    *hard = limit.rlim_max;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit);
}
