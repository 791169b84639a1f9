// Becomes a program under a seccomp filter such as a container runtime may have put there. confined WHAT PROGRAM
// [ARG...]
// taken     somebody else reads notifications already: the kernel refuses a second reader (EBUSY)
// no-getfd  pidfd_getfd(2) is refused, as it is without CAP_SYS_PTRACE in many containers
// no-filter seccomp(2) itself is refused
// no-pidfd-open, no-close-range, no-bpf  the call is refused
// no-exit-info, no-pass-rights, no-netlink, no-steering  as by kernels that lack PIDFD_GET_INFO, SO_PASSRIGHTS,
//           netlink(7) or SO_ATTACH_REUSEPORT_CBPF
// no-thread-pidfd  pidfd_open(2) knows no flags, as before Linux 6.9
// no-clone3 clone3(2) is unknown, as container runtimes and RestrictNamespaces= make it
// no-socket-filter  sockets get no filter, and bpf(2) is refused, as some kernels do for all but root
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int install(const struct sock_filter *filter, unsigned short length, unsigned long flags) {
    struct sock_fprog program = {length, (struct sock_filter *)filter};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static int refuse_with(unsigned number, unsigned error) {
    const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return install(filter, sizeof filter / sizeof *filter, 0);
}

static int refuse(unsigned number) { return refuse_with(number, EPERM); }

// The call fails if the low half of this argument is `value`, on machines that store it first.
static int refuse_if(unsigned number, unsigned argument, unsigned value, unsigned error) {
    const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + argument * 8),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return install(filter, sizeof filter / sizeof *filter, 0);
}

static int refuse_thread_pidfds(void) {
    const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return install(filter, sizeof filter / sizeof *filter, 0);
}

// The low halves of its arguments, on machines that store them first.
static int refuse_socket_filters(void) {
    const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOL_SOCKET, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_ATTACH_FILTER, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return install(filter, sizeof filter / sizeof *filter, 0);
}

int main(int count, char **words) {
    if (count < 3) return 64;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return perror("prctl"), 1;
    int result = -1;
    const struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    if (!strcmp(words[1], "taken")) {
        result = install(all, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER);
        // A listener that nobody holds is none: it stays open in what follows.
        if (result >= 0) result = dup2(result, 200);
    } else if (!strcmp(words[1], "no-getfd")) {
        result = refuse(SYS_pidfd_getfd);
    } else if (!strcmp(words[1], "no-filter")) {
        result = refuse(SYS_seccomp);
    } else if (!strcmp(words[1], "no-pidfd-open")) {
        result = refuse(SYS_pidfd_open);
    } else if (!strcmp(words[1], "no-close-range")) {
        result = refuse(SYS_close_range);
    } else if (!strcmp(words[1], "no-exit-info")) {
        result = refuse_if(SYS_ioctl, 1, 0xC040FF0B, ENOTTY);
    } else if (!strcmp(words[1], "no-pass-rights")) {
        result = refuse_if(SYS_setsockopt, 2, 83, ENOPROTOOPT);
    } else if (!strcmp(words[1], "no-netlink")) {
        result = refuse_if(SYS_socket, 0, AF_NETLINK, EAFNOSUPPORT);
    } else if (!strcmp(words[1], "no-steering")) {
        result = refuse_if(SYS_setsockopt, 2, SO_ATTACH_REUSEPORT_CBPF, ENOPROTOOPT);
    } else if (!strcmp(words[1], "no-bpf")) {
        result = refuse(SYS_bpf);
    } else if (!strcmp(words[1], "no-thread-pidfd")) {
        result = refuse_thread_pidfds();
    } else if (!strcmp(words[1], "no-clone3")) {
        result = refuse_with(SYS_clone3, ENOSYS);
    } else if (!strcmp(words[1], "no-socket-filter")) {
        result = refuse(SYS_bpf) < 0 ? -1 : refuse_socket_filters();
    }
    if (result < 0) return perror("seccomp"), 1;
    execvp(words[2], words + 2);
    return perror(words[2]), 1;
}
