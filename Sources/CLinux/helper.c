// The helper process: its messages, and what it may do.
#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CAP_BPF
#define CAP_BPF 39  // Linux 5.8
#endif

union descriptors {
    struct cmsghdr header;
    char space[CMSG_SPACE(rl_packet_descriptors_max * sizeof(int))];
};

int rl_send_packet(int channel, const void *bytes, size_t count, const int *descriptors, size_t descriptor_count,
                   bool waits) {
    if (descriptor_count > rl_packet_descriptors_max) return errno = EINVAL, -1;
    struct iovec piece = {(void *)(uintptr_t)bytes, count};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    union descriptors control;
    if (descriptor_count > 0) {
        size_t size = descriptor_count * sizeof(int);
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(size);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(&control.header), descriptors, size);
    }
    ssize_t sent;
    do sent = sendmsg(channel, &message, MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT));
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}

static ssize_t receive(int channel, void *buffer, size_t size, int *descriptors, size_t *descriptor_count, int flags,
                       int faults) {
    struct iovec piece = {buffer, size};
    union descriptors control;
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    *descriptor_count = 0;
    ssize_t received;
    do received = recvmsg(channel, &message, MSG_CMSG_CLOEXEC | flags);
    while (received < 0 && errno == EINTR);
    if (received < 0) return -1;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        *descriptor_count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(descriptors, CMSG_DATA(part), *descriptor_count * sizeof(int));
    }
    if (!(message.msg_flags & faults)) return received;
    for (size_t i = 0; i < *descriptor_count; i++) close(descriptors[i]);
    *descriptor_count = 0;
    return errno = message.msg_flags & MSG_TRUNC ? EMSGSIZE : EMFILE, -1;
}

ssize_t rl_receive_packet(int channel, void *buffer, size_t size, int *descriptors, size_t *descriptor_count,
                          bool waits) {
    return receive(channel, buffer, size, descriptors, descriptor_count, waits ? 0 : MSG_DONTWAIT, MSG_TRUNC);
}

ssize_t rl_receive_whole_packet(int channel, void *buffer, size_t size, int *descriptors, size_t *descriptor_count) {
    return receive(channel, buffer, size, descriptors, descriptor_count, MSG_DONTWAIT, MSG_TRUNC | MSG_CTRUNC);
}

static bool is_needed(int capability, bool has_read_search) {
    switch (capability) {
    case CAP_SYS_PTRACE:       // pidfd_getfd and process_vm_readv on workers of another user, and their files in /proc
    case CAP_NET_BIND_SERVICE: // privileged ports
    case CAP_NET_ADMIN:        // rl_steer_nowhere
    case CAP_BPF:              // the same
        return true;
    case CAP_DAC_READ_SEARCH:  // the same files
        return has_read_search;
    case CAP_DAC_OVERRIDE:     // instead, where the service manager leaves only this one
        return !has_read_search;
    default: return false;
    }
}

static int drop_capabilities(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, data) < 0) return -1;
    // Without CAP_SYS_PTRACE, as in most containers, the kernel lets a process look only at those that have no
    // capability that it lacks itself: workers of the same user have all that this process has.
    if (!(data[0].permitted & 1u << CAP_SYS_PTRACE)) return 0;
    bool has_read_search = data[0].permitted & 1u << CAP_DAC_READ_SEARCH;
    // Without CAP_SETPCAP the bounding set stays: no_new_privs makes it worthless.
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        if (!is_needed(capability, has_read_search) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 &&
            errno != EPERM)
            return -1;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return -1;
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        uint32_t needed = 0;
        for (int bit = 0; bit < 32; bit++)
            if (is_needed(32 * i + bit, has_read_search)) needed |= 1u << bit;
        data[i].permitted &= needed;
        data[i].effective = data[i].permitted;
        data[i].inheritable = 0;
    }
    return (int)syscall(SYS_capset, &header, data);
}

#if defined(__x86_64__)
#define native_arch AUDIT_ARCH_X86_64
#else
#define native_arch AUDIT_ARCH_AARCH64
#endif

static const int allowed_calls[] = {
    // what workers have
    SYS_pidfd_open, SYS_pidfd_getfd, SYS_kcmp, SYS_process_vm_readv, SYS_ioctl, SYS_bind, SYS_listen, SYS_shutdown,
    SYS_getsockopt, SYS_setsockopt, SYS_getsockname, SYS_getpeername, SYS_bpf, SYS_epoll_ctl,
    // files of /proc; SYS_openat has a rule of its own
    SYS_read, SYS_pread64, SYS_close, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_lseek, SYS_getdents64, SYS_readlinkat,
    SYS_fcntl, SYS_faccessat,
    // messages, the mark, and the kernel's table of sockets; SYS_socket has a rule of its own
    SYS_recvmsg, SYS_sendmsg, SYS_sendto, SYS_recvfrom, SYS_pwrite64, SYS_ppoll,
    // rl_poll_as
    SYS_clone, SYS_dup3, SYS_waitid,
    // the run-time libraries
    SYS_brk, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_futex, SYS_getrandom, SYS_clock_gettime,
    SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_prlimit64, SYS_sysinfo, SYS_uname,
    SYS_sched_getaffinity, SYS_sched_yield, SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_rt_sigreturn, SYS_sigaltstack,
    SYS_restart_syscall, SYS_membarrier, SYS_write, SYS_writev, SYS_tgkill, SYS_exit, SYS_exit_group,
#ifdef SYS_poll
    SYS_poll, SYS_dup2, SYS_readlink, SYS_stat, SYS_lstat, SYS_access, SYS_getrlimit, SYS_time, SYS_arch_prctl,
#endif
};

static int restrict_calls(void) {
    enum { calls = sizeof allowed_calls / sizeof *allowed_calls };
    const unsigned forbidden = SECCOMP_RET_ERRNO | EPERM;
    const unsigned flags = offsetof(struct seccomp_data, args[2]), family = offsetof(struct seccomp_data, args[0]);
    struct sock_filter filter[calls * 2 + 24];
    size_t length = 0;
#define ADD(...) filter[length++] = (struct sock_filter)__VA_ARGS__
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, native_arch, 1, 0));
    ADD(BPF_STMT(BPF_RET | BPF_K, forbidden));
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    for (size_t i = 0; i < calls; i++) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed_calls[i], 0, 1));
        ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    }
    // Files only to be read.
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 4));
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, flags));
    ADD(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, O_ACCMODE | O_CREAT | O_TRUNC));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, O_RDONLY, 4, 0));
    ADD(BPF_STMT(BPF_RET | BPF_K, forbidden));
    // Only the kernel's table of sockets.
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3));
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, family));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 1));
    ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    ADD(BPF_STMT(BPF_RET | BPF_K, forbidden));
#undef ADD
    struct sock_fprog program = {(unsigned short)length, filter};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int rl_confine_helper(const char *name) {
    static const int ignored[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM,
                                  SIGTSTP, SIGTTIN, SIGTTOU, SIGXFSZ, SIGIO,   SIGPWR,  SIGWINCH};
    struct sigaction action = {.sa_handler = SIG_IGN};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        if (sigaction(ignored[i], &action, NULL) < 0) return -1;
    if (prctl(PR_SET_NAME, name, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
    if (drop_capabilities() < 0) return -1;
    // After the capabilities: changed rights would undo it.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return -1;
    return restrict_calls();
}

int rl_try_sibling(void) {
    static const char sample = 1;
    pid_t sibling = fork();
    if (sibling == 0)
        for (;;) pause();
    if (sibling < 0) return -1;
    pid_t looker = fork();
    if (looker == 0) {
        char copy;
        int pidfd = rl_pidfd_open(sibling);
        if (pidfd < 0 || rl_take_descriptor(pidfd, 0) < 0) _exit(errno);
        _exit(rl_read_memory(sibling, (uint64_t)(uintptr_t)&sample, &copy, 1) == 1 ? 0 : errno);
    }
    int error = errno;
    struct rl_exit exit = {0};
    if (looker > 0 && rl_reap_child(looker, &exit) == 0) error = exit.signaled ? EPERM : exit.status;
    kill(sibling, SIGKILL);
    rl_reap_child(sibling, &exit);
    errno = error;
    return error == 0 ? 0 : -1;
}
