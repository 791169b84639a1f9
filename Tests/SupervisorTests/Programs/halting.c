// Stops what is about to be executed, in the moment that is the worst: halting USER FLAG TOLD PROGRAM... becomes
// PROGRAM. From then on, as long as the file FLAG exists, each of its descendants with this user's number that calls
// execve(2) gets SIGSTOP before that call has begun, and so stands between setuid(2) and its program; `stopped PID` is
// written to the FIFO or file TOLD. This is what stopper.c hopes for, without chance. Needs root.
//
// A seccomp filter reports the calls to a process beside, which ends with the last process that has the filter. The
// kernel allows one such filter, so PROGRAM cannot share ports under it.
#define _GNU_SOURCE
#include "answer.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int report_execve(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execveat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static int belongs_to(pid_t pid, uid_t user) {
    char path[32];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d", pid);
    return stat(path, &status) == 0 && status.st_uid == user;
}

static void tell(int told, pid_t pid) {
    char line[32];
    int length = snprintf(line, sizeof line, "stopped %d\n", pid);
    if (write(told, line, (size_t)length) != length) perror("told");
}

// Each call goes on; if its thread has been sent SIGSTOP, it stops first and calls again.
// Until PROGRAM has ended: the filter, which this process has as well, never runs out of processes.
static void answer_calls(int calls, int program, uid_t user, const char *flag, int told) {
    for (;;) {
        struct pollfd sources[] = {{calls, POLLIN, 0}, {program, POLLIN, 0}};
        if (poll(sources, 2, -1) < 0) continue;
        if (sources[1].revents) _exit(0);
        if (!(sources[0].revents & POLLIN)) continue;
        struct seccomp_notif call = {0};
        if (ioctl(calls, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) continue;
        static pid_t last;
        int stops = (pid_t)call.pid != last && access(flag, F_OK) == 0 && belongs_to((pid_t)call.pid, user);
        if (stops) {
            last = (pid_t)call.pid;
            kill(last, SIGSTOP);
            tell(told, last);
            continue;  // the signal has ended this call
        }
        struct seccomp_notif_resp answer = {.id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        ioctl(calls, SECCOMP_IOCTL_NOTIF_SEND, &answer);  // who called may be gone
    }
}

int main(int count, char **words) {
    if (count < 5) return 64;
    int told = open(words[3], O_RDWR | O_CLOEXEC);
    check(told, words[3]);
    int calls = report_execve();
    check(calls, "seccomp");
    // The process beside must not be a child of PROGRAM; calls of it are not reported to itself, for it makes none.
    int program = (int)syscall(SYS_pidfd_open, getpid(), 0);
    check(program, "pidfd_open");
    pid_t between = fork();
    check(between, "fork");
    if (between == 0) {
        if (fork() != 0) _exit(0);
        setsid();
        for (int i = 0; i < 3; i++) dup2(told, i);
        answer_calls(calls, program, (uid_t)atoi(words[1]), words[2], told);
    }
    waitpid(between, NULL, 0);
    close(calls);
    close(told);
    close(program);
    execvp(words[4], words + 4);
    perror(words[4]);
    return 1;
}
