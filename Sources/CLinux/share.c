// seccomp_unotify(2), pidfd_getfd(2), process_vm_readv(2), and the classic BPF program that steers a reuseport group.
#define _GNU_SOURCE
#include "child.h"
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/kcmp.h>
#include <linux/seccomp.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#if defined(__x86_64__)
#define native_arch AUDIT_ARCH_X86_64
#define x32_bit 0x40000000U
#elif defined(__aarch64__)
#define native_arch AUDIT_ARCH_AARCH64
#else
#error "reloaderd knows the system calls of x86_64 and aarch64"
#endif

// Room for the structures of later kernels, which may be longer than those of the header.
enum { notification_room = 512 };
enum { TCP_LISTEN_STATE = 10 };  // netinet/tcp.h, which clashes with linux/tcp.h

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL  // Linux 6.9
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)  // Linux 5.19
#endif

static long install_filter(unsigned long flags) {
    // Examines only the call's number, so that the kernel remembers which calls are always allowed.
    static const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, native_arch, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),  // another architecture's calls: none of ours
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef x32_bit
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, x32_bit, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),  // the same calls under other numbers
#endif
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bind, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_listen, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    static const struct sock_fprog program = {sizeof filter / sizeof *filter, (struct sock_filter *)filter};
    return bare(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | flags, address_of(&program));
}

long report_calls(void) {
    // A signal that arrives while a call is being examined must not make the program repeat it (Go preempts by signal).
    unsigned long flags = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    long notifications = install_filter(flags);
    if (notifications == -EINVAL) notifications = install_filter(flags = 0);
    if (notifications == -EACCES) {
        // Without privilege, a filter requires the promise that exec gives no privilege either.
        long result = bare(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1);
        if (result < 0) return result;
        notifications = install_filter(flags);
    }
    return notifications;
}

int rl_report_listeners(int channel) {
    long notifications = report_calls();
    if (notifications < 0) return errno = (int)-notifications, -1;
    struct note note;
    prepare_note(&note);
    long result = send_note(&note, channel, (int)notifications);
    close((int)notifications);
    return result < 0 ? (errno = (int)-result, -1) : 0;
}

int rl_receive_descriptor(int channel) {
    char byte;
    struct iovec piece = {&byte, 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    // Without the padding, in which the kernel would put a second descriptor that nobody closes.
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_LEN(sizeof(int))};
    if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0) return -1;
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    if (!part || part->cmsg_type != SCM_RIGHTS) return errno = EPIPE, -1;
    int descriptor;
    memcpy(&descriptor, CMSG_DATA(part), sizeof descriptor);
    return descriptor;
}

struct trial {
    int channel;
    volatile int error;
};

static int try_filter(void *argument) {
    struct trial *trial = argument;
    if (rl_report_listeners(trial->channel) < 0) trial->error = errno;
    _exit(0);
}

// Runs `body` in a child that shares our memory while we are suspended. Returns 0, or -1 with errno set. Nobody can make
// that wait long: the child never takes on another user, so that only those who may stop us may stop it, and it opens
// and executes no file.
static int run_child(int (*body)(void *), void *argument) {
    static _Thread_local char stack[16 * 1024] __attribute__((aligned(16)));
    pid_t pid = clone(body, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, argument);
    if (pid < 0) return -1;
    struct rl_exit exit;
    return rl_reap_child(pid, &exit);
}

// What a process may do to itself says nothing about a child (Yama, container profiles), so this tries it on a child,
// which waits to be killed.
static int try_reaching(const char **missing) {
    static const char sample = 1;
    char copy;
    *missing = "fork";
    pid_t pid = fork();
    if (pid == 0)
        for (;;) pause();
    if (pid < 0) return -1;
    *missing = "pidfd_open";
    int pidfd = rl_pidfd_open(pid);
    if (pidfd >= 0) *missing = "pidfd_getfd";
    int taken = pidfd < 0 ? -1 : rl_take_descriptor(pidfd, 0);
    if (taken >= 0) *missing = "process_vm_readv";
    ssize_t count = taken < 0 ? -1 : rl_read_memory(pid, (uint64_t)(uintptr_t)&sample, &copy, 1);
    int error = errno;
    if (taken >= 0) close(taken);
    if (pidfd >= 0) close(pidfd);
    kill(pid, SIGKILL);
    struct rl_exit exit;
    rl_reap_child(pid, &exit);
    errno = error;
    return count == 1 ? 0 : -1;
}

int rl_try_sharing(int channel, const char **missing) {
    struct seccomp_notif_sizes sizes;
    *missing = "seccomp user notification";
    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0) return -1;
    if (sizes.seccomp_notif > notification_room || sizes.seccomp_notif_resp > notification_room)
        return errno = E2BIG, -1;
    struct trial trial = {channel, 0};
    if (run_child(try_filter, &trial) < 0) return -1;
    if (trial.error) return errno = trial.error, -1;

    return try_reaching(missing);
}

int rl_next_call(int notifications, struct rl_call *call) {
    // When all callers are gone the descriptor hangs up, and some kernels would wait here for ever.
    struct pollfd request = {.fd = notifications, .events = POLLIN};
    if (poll(&request, 1, 0) <= 0 || !(request.revents & POLLIN)) return errno = ENOENT, -1;
    // The kernel may know a larger structure than the header does, and the structure must be zeroed.
    union {
        struct seccomp_notif call;
        char room[notification_room];
    } buffer;
    memset(&buffer, 0, sizeof buffer);
    if (ioctl(notifications, SECCOMP_IOCTL_NOTIF_RECV, &buffer) < 0) return -1;
    const struct seccomp_data *data = &buffer.call.data;
    *call = (struct rl_call){
        .id = buffer.call.id,
        .thread = (pid_t)buffer.call.pid,
        .binds = data->nr == SYS_bind,
        .descriptor = (int)data->args[0],
        .address = data->nr == SYS_bind ? data->args[1] : 0,
        .number = data->nr == SYS_bind ? data->args[2] : data->args[1],
    };
    return 0;
}

bool rl_calls_are_over(int notifications) {
    struct pollfd request = {.fd = notifications, .events = POLLIN};
    return poll(&request, 1, 0) > 0 && request.revents & POLLHUP;
}

static int respond(int notifications, uint64_t id, int error, uint32_t flags) {
    union {
        struct seccomp_notif_resp answer;
        char room[notification_room];
    } buffer;
    memset(&buffer, 0, sizeof buffer);
    buffer.answer.id = id;
    buffer.answer.error = -error;
    buffer.answer.flags = flags;
    return ioctl(notifications, SECCOMP_IOCTL_NOTIF_SEND, &buffer);
}

int rl_answer_call(int notifications, uint64_t id, int error) { return respond(notifications, id, error, 0); }

int rl_continue_call(int notifications, uint64_t id) {
    return respond(notifications, id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

bool rl_call_is_pending(int notifications, uint64_t id) {
    return ioctl(notifications, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

int rl_replace_descriptor(int notifications, uint64_t id, int source, int target, bool closes_on_exec) {
    struct seccomp_notif_addfd addition = {
        .id = id,
        .flags = SECCOMP_ADDFD_FLAG_SETFD,
        .srcfd = (uint32_t)source,
        .newfd = (uint32_t)target,
        .newfd_flags = closes_on_exec ? O_CLOEXEC : 0,
    };
    return ioctl(notifications, SECCOMP_IOCTL_NOTIF_ADDFD, &addition) < 0 ? -1 : 0;
}

struct polling {
    int epoll, source, number;
    struct epoll_event event;
    volatile int error;
};

// Runs in a copy of our descriptor table, in which any number may be overwritten.
static int poll_as(void *argument) {
    struct polling *polling = argument;
    int epoll = fcntl(polling->epoll, F_DUPFD, polling->number + 1);
    if (epoll < 0 || (polling->source != polling->number && dup2(polling->source, polling->number) < 0) ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, polling->number, &polling->event) < 0)
        polling->error = errno;
    _exit(0);
}

int rl_poll_as(int epoll, int source, int number, uint32_t events, uint64_t data) {
    struct polling polling = {epoll, source, number, {.events = events, .data = {.u64 = data}}, 0};
    if (run_child(poll_as, &polling) < 0) return -1;
    errno = polling.error;
    return polling.error ? -1 : 0;
}

int rl_open_thread(pid_t thread) {
    int pidfd = (int)syscall(SYS_pidfd_open, thread, PIDFD_THREAD);
    // Before Linux 6.9 this works only for a process, by its first thread: the caller tries that one.
    if (pidfd < 0 && errno == EINVAL) pidfd = (int)syscall(SYS_pidfd_open, thread, 0);
    return pidfd;
}

int rl_differing_tables(pid_t one, pid_t other) {
    long order = syscall(SYS_kcmp, one, other, KCMP_FILES, 0, 0);
    return order < 0 ? -1 : order != 0;
}

int rl_take_descriptor(int pidfd, int descriptor) {
    return (int)syscall(SYS_pidfd_getfd, pidfd, descriptor, 0);
}

ssize_t rl_read_memory(pid_t pid, uint64_t address, void *buffer, size_t size) {
    struct iovec here = {buffer, size}, there = {(void *)(uintptr_t)address, size};
    return process_vm_readv(pid, &here, 1, &there, 1, 0);
}

enum { sender_length = 20 };

static struct sock_filter statement(unsigned code, unsigned value) {
    return (struct sock_filter)BPF_STMT((unsigned short)code, value);
}

// Leaves a number made from the sender's address and port in the accumulator. The kernel's own flow hash is 0 for
// everything that an unconnected local socket sends, which would all go to one member.
static size_t hash_sender(struct sock_filter *filter) {
    const unsigned network = (unsigned)SKF_NET_OFF;
    size_t length = 0;
    filter[length++] = statement(BPF_LD | BPF_B | BPF_ABS, network);
    filter[length++] = statement(BPF_ALU | BPF_RSH | BPF_K, 4);
    filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4, 0, 5);
    // IPv4: the source address is at offset 12, and the ports follow after as many words as the header says.
    filter[length++] = statement(BPF_LD | BPF_W | BPF_ABS, network + 12);
    filter[length++] = statement(BPF_ST, 0);
    filter[length++] = statement(BPF_LDX | BPF_B | BPF_MSH, network);
    filter[length++] = statement(BPF_LD | BPF_H | BPF_IND, network);
    filter[length++] = statement(BPF_JMP | BPF_JA, 3);
    // IPv6: the last word of the source address is at offset 20 and the source port at 40. If there are extension
    // headers, offset 40 holds other bytes of the same sender.
    filter[length++] = statement(BPF_LD | BPF_W | BPF_ABS, network + 20);
    filter[length++] = statement(BPF_ST, 0);
    filter[length++] = statement(BPF_LD | BPF_H | BPF_ABS, network + 40);
    filter[length++] = statement(BPF_LDX | BPF_MEM, 0);
    filter[length++] = statement(BPF_ALU | BPF_MUL | BPF_K, 0x9E3779B1);
    filter[length++] = statement(BPF_ALU | BPF_XOR | BPF_X, 0);
    filter[length++] = statement(BPF_ALU | BPF_MUL | BPF_K, 0x85EBCA6B);
    filter[length++] = statement(BPF_MISC | BPF_TAX, 0);
    filter[length++] = statement(BPF_ALU | BPF_RSH | BPF_K, 15);
    filter[length++] = statement(BPF_ALU | BPF_XOR | BPF_X, 0);
    return length;
}

int rl_steer(int socket, const uint32_t *indices, size_t count, bool by_sender) {
    // A random number in 0 ..< count falls into one of the runs of consecutive indices, and the run's offset turns it
    // into an index.
    struct sock_filter filter[sender_length + 1 + 3 * rl_steer_runs_max + 1];
    size_t length = 0, run = 0;
    if (by_sender)
        length = hash_sender(filter);
    else
        filter[length++] = statement(BPF_LD | BPF_W | BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_RANDOM));
    filter[length++] = statement(BPF_ALU | BPF_MOD | BPF_K, (uint32_t)count);
    if (count == 0) return errno = EINVAL, -1;
    for (size_t start = 0; start < count; run++) {
        if (run == rl_steer_runs_max) return errno = E2BIG, -1;
        size_t end = start + 1;
        while (end < count && indices[end] == indices[end - 1] + 1) end++;
        // if (draw >= end) skip; return draw + offset
        filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)end, 2, 0);
        filter[length++] = statement(BPF_ALU | BPF_ADD | BPF_K, indices[start] - (uint32_t)start);
        filter[length++] = statement(BPF_RET | BPF_A, 0);
        start = end;
    }
    filter[length++] = statement(BPF_RET | BPF_K, indices[0]);  // not reached
    struct sock_fprog program = {(unsigned short)length, filter};
    return setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
}

int rl_steer_nowhere(int socket) {
    // r0 = SK_DROP; exit
    struct bpf_insn nobody[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = SK_DROP},
                                {.code = BPF_JMP | BPF_EXIT}};
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_SK_REUSEPORT;
    attributes.insn_cnt = sizeof nobody / sizeof *nobody;
    attributes.insns = (uint64_t)(uintptr_t)nobody;
    attributes.license = (uint64_t)(uintptr_t) "GPL";
    int program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
    if (program < 0) return -1;
    int result = setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program, sizeof program);
    int error = errno;
    close(program);
    errno = error;
    return result;
}

int rl_refuse_connections(int socket, bool is_datagram) {
    // The kernel shows a TCP socket's filter the segment from its TCP header on; byte 13 holds the flags.
    struct sock_filter openings[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),                // SYN and ACK
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    struct sock_fprog program = {sizeof openings / sizeof *openings, openings};
    if (is_datagram) program = (struct sock_fprog){sizeof all / sizeof *all, all};
    return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

int rl_admit_connections(int socket) {
    int unused = 0;
    int result = setsockopt(socket, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused);
    return result < 0 && errno == ENOENT ? 0 : result;
}

int rl_tcp_state(int socket, struct rl_tcp *result) {
    struct tcp_info info;
    memset(&info, 0, sizeof info);
    int unread = 0, quick_ack = 1;
    socklen_t size = sizeof quick_ack;
    if (getsockopt(socket, IPPROTO_TCP, TCP_QUICKACK, &quick_ack, &size) < 0) return -1;
    if (ioctl(socket, FIONREAD, &unread) < 0 && errno != EINVAL) return -1;  // EINVAL: it is listening
    // Read last, so that whatever has arrived in the meantime shows.
    size = sizeof info;
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) < 0) return -1;
    *result = (struct rl_tcp){.state = info.tcpi_state};
    if (info.tcpi_state == TCP_LISTEN_STATE) {
        result->queue = info.tcpi_unacked;
        return 0;
    }
    result->bytes_received = info.tcpi_bytes_received;
    result->bytes_unread = (uint64_t)unread;
    result->bytes_sent = info.tcpi_bytes_sent - info.tcpi_bytes_retrans;
    result->bytes_unsent = info.tcpi_notsent_bytes;
    result->segments_unacked = info.tcpi_unacked;
    result->sent_ago = info.tcpi_last_data_sent;
    result->received_ago = info.tcpi_last_data_recv;
    result->acked_ago = info.tcpi_last_ack_recv;
    result->round_trip = info.tcpi_rtt / 1000;
    result->ack_delay = info.tcpi_ato / 1000;
    result->segments_in = info.tcpi_segs_in;
    result->segments_out = info.tcpi_segs_out;
    result->data_segments_in = info.tcpi_data_segs_in;
    result->data_segments_out = info.tcpi_data_segs_out;
    result->quick_ack = quick_ack != 0;
    return 0;
}
