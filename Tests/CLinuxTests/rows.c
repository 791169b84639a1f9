// The table: function, failing system call, result. Tests/CLinuxTests/run checks that no function of CLinux is missing.
#define _GNU_SOURCE
#include "failures.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <linux/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_dup2
#define SYS_dup_to SYS_dup2
#define SYS_poll_now SYS_poll
#else
#define SYS_dup_to SYS_dup3
#define SYS_poll_now SYS_ppoll
#endif

static int must(int result, const char *what) {
    if (result < 0) {
        perror(what);
        _exit(2);
    }
    return result;
}

struct scene set_scene(void) {
    struct scene scene;
    int one = 1;
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, scene.pair), "socketpair");
    must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, scene.datagrams), "socketpair");
    must(setsockopt(scene.datagrams[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof one), "SO_PASSCRED");
    must((int)send(scene.datagrams[1], "READY=1", 7, 0), "send");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    scene.listener = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
    must(setsockopt(scene.listener, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one), "SO_REUSEPORT");
    must(bind(scene.listener, (struct sockaddr *)&address, sizeof address), "bind");
    must(listen(scene.listener, 8), "listen");
    scene.udp = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
    scene.epoll = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    scene.directory = must(open("/", O_PATH | O_CLOEXEC), "/");
    scene.null = must(open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null");
    scene.pidfd = must(rl_pidfd_open(getpid()), "pidfd_open");
    return scene;
}

#define RUN(name, ...)                                \
    static struct outcome name(struct scene *scene) { \
        (void)scene;                                  \
        long result = (long)(__VA_ARGS__);            \
        return (struct outcome){result, errno};       \
    }

static struct rl_exit ending;
static struct rl_stop stop;
static int ends[2];
static int number;
static uint64_t soft, hard;
static char bytes[64];
static uint32_t uid;
static struct rl_peer peer;
static struct rl_socket sockets[4096];
static uint64_t peers[64];
static int cpus[8192];
static const char *missing;
static struct rl_call call;
static struct rl_tcp tcp;
static const uint32_t indices[] = {0, 2, 3};
static int received[rl_packet_descriptors_max];
static size_t received_count;

RUN(reap_pidfd, rl_reap_pidfd(scene->pidfd, &ending))
RUN(peek_pidfd, rl_peek_pidfd(scene->pidfd, &ending))
RUN(peek_child, rl_peek_child(&ending))
RUN(next_stop, rl_next_stop_or_go_on(&stop))
RUN(reap_child, rl_reap_child(getpid(), &ending))
RUN(exit_of_stranger, rl_exit_of_stranger(scene->pidfd, &ending))
RUN(name_process, rl_name_process("x"))
RUN(pidfd_open_, rl_pidfd_open(getpid()))
RUN(signal_, rl_signal(scene->pidfd, 0))
RUN(signal_group, rl_signal_group(scene->pidfd, getpid(), 0))
RUN(kill_with_group, rl_kill_with_group(scene->pidfd, getpid()))
RUN(take_signals, rl_take_signals())
RUN(keep_signals, rl_keep_signals(false))
RUN(signal_descriptor, rl_signal_descriptor())
RUN(pipe_, rl_pipe(ends))
RUN(memory_file, rl_memory_file("x"))
RUN(seal_memory_file, rl_seal_memory_file(scene->null))
RUN(is_sealed, rl_is_sealed(scene->null))
RUN(open_path, rl_open_path(scene->directory, "."))
RUN(open_entry, rl_open_entry(scene->directory, "."))
RUN(access_list, rl_access_list(scene->directory, bytes, sizeof bytes))
RUN(become_subreaper, rl_become_subreaper())
RUN(limit_raise, rl_file_descriptor_limit_raise(&soft, &hard))
RUN(receive_datagram, rl_receive_datagram(scene->datagrams[0], bytes, sizeof bytes, &uid))
RUN(receive_cut_packet, rl_receive_whole_packet(scene->datagrams[0], bytes, 1, received, &received_count))
RUN(bind_datagram, rl_bind_datagram(scene->udp, "@x"))
RUN(refuse_descriptors, rl_refuse_descriptors(scene->datagrams[0]))
RUN(send_datagram, rl_send_datagram(scene->datagrams[1], "@x", "x", 1))
RUN(send_with_descriptor, rl_send_with_descriptor(scene->datagrams[1], "@x", "x", 1, scene->udp))
RUN(try_clone, rl_try_clone())
RUN(try_exit_info, rl_try_exit_info())
RUN(try_close_range, rl_try_close_range())
RUN(try_thread_pidfd, rl_try_thread_pidfd())
RUN(connect_datagram, rl_connect_datagram(scene->datagrams[1], "/x"))
RUN(accept_, rl_accept(scene->listener))
RUN(peer_credentials, rl_peer_credentials(scene->pair[0], &peer))
RUN(peer_has_group, rl_peer_has_group(scene->pair[0], getgid()))
RUN(sockets_, rl_sockets(sockets, sizeof sockets / sizeof *sockets))
RUN(handshakes_, rl_handshakes(1, peers, sizeof peers / sizeof *peers))
RUN(affinity, rl_affinity(cpus, sizeof cpus / sizeof *cpus))
RUN(report_listeners, rl_report_listeners(scene->pair[0]))
RUN(receive_note, rl_receive_note(scene->pair[1], &number))
RUN(receive_descriptor, rl_receive_descriptor(scene->pair[1]))
RUN(try_sharing, rl_try_sharing(scene->pair[0], &missing))
RUN(next_call, rl_next_call(scene->datagrams[0], &call))
RUN(calls_are_over, rl_calls_are_over(scene->datagrams[0]))
RUN(differing_tables, rl_differing_tables(getpid(), getpid()))
RUN(answer_call, rl_answer_call(scene->null, 1, EPERM))
RUN(continue_call, rl_continue_call(scene->null, 1))
RUN(call_is_pending, rl_call_is_pending(scene->null, 1))
RUN(replace_descriptor, rl_replace_descriptor(scene->null, 1, scene->udp, 0, true))
RUN(poll_as, rl_poll_as(scene->epoll, scene->udp, 77, EPOLLIN, 1))
RUN(open_thread, rl_open_thread(getpid()))
RUN(take_descriptor, rl_take_descriptor(scene->pidfd, 0))
RUN(send_packet, rl_send_packet(scene->datagrams[1], "x", 1, &scene->null, 1, true))
RUN(receive_packet, rl_receive_packet(scene->datagrams[0], bytes, sizeof bytes, received, &received_count, false))
RUN(confine_helper, rl_confine_helper("helper"))
RUN(try_sibling, rl_try_sibling())
RUN(read_memory, rl_read_memory(getpid(), (uint64_t)(uintptr_t)indices, bytes, 4))
RUN(steer, rl_steer(scene->listener, indices, 3, false))
RUN(steer_nowhere, rl_steer_nowhere(scene->listener))
RUN(refuse, rl_refuse_connections(scene->listener, false))
RUN(admit, rl_admit_connections(scene->listener))
RUN(tcp_state, rl_tcp_state(scene->listener, &tcp))

struct rl_start_state follow(const struct rl_start *start, int channel[2], int pidfd, bool closes) {
    struct rl_start_state state;
    bool was_noted = false;
    while (true) {
        int sent;
        struct pollfd news[] = {{.fd = channel[1], .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
        must(poll(news, 2, -1), "poll");
        ssize_t count = rl_receive_note(channel[1], &sent);
        state = rl_look_at_start(start);
        if (count > 0) {
            was_noted = state.has_own_descriptors;
            if (sent >= 0) close(sent);
            if (closes) close(channel[0]);
        } else if (count == 0 || news[1].revents) {
            break;
        }
    }
    if (state.error == 0 && !was_noted) state.error = EPROTO;
    return state;
}

// The control group of the next start; -1: none.
static int spawn_cgroup = -1;

static struct outcome spawn_with(struct scene *scene, int executable, const int descriptors[3]) {
    char *arguments[] = {"true", NULL}, *environment[] = {NULL};
    gid_t group = getgid();
    struct rl_limit limit = {RLIMIT_CORE, 0, 0};
    struct rl_spawn_request request = {
        .path = "/bin/true",
        .executable = executable,
        .arguments = arguments,
        .environment = environment,
        .directory = scene->directory,
        .descriptors = descriptors,
        .descriptor_count = 3,
        .mask = 022,
        .limits = &limit,
        .limit_count = 1,
        .sets_nice = true,
        .nice = 19,
        .cpu = sched_getcpu(),
        .channel = scene->pair[0],
        .reports_calls = true,
        .has_cgroup = spawn_cgroup >= 0,
        .cgroup = spawn_cgroup,
        .sets_user = true,
        .user = getuid(),
        .group = group,
        .groups = &group,
        .group_count = 1,
    };
    pid_t pid;
    int pidfd;
    struct rl_start *start = rl_start(&request, &pid, &pidfd);
    if (!start) return (struct outcome){rl_stage_clone, errno};
    struct rl_start_state state = follow(start, scene->pair, pidfd, false);
    close(pidfd);
    // The result is the stage that failed.
    struct outcome outcome = {state.error == 0 ? rl_stage_none : (long)state.stage, state.error};
    return rl_free_start(start) < 0 ? (struct outcome){-1, errno} : outcome;
}

static struct outcome spawn(struct scene *scene) {
    return spawn_with(scene, -1, (int[]){scene->null, scene->null, scene->null});
}

// The directory is that of no control group.
static struct outcome spawn_grouped(struct scene *scene) {
    spawn_cgroup = scene->directory;
    return spawn(scene);
}

static struct outcome spawn_file(struct scene *scene) {
    return spawn_with(scene, scene->null, (int[]){scene->null, scene->null, scene->null});
}

// Descriptors in each other's way, and one that stays.
static struct outcome spawn_swapped(struct scene *scene) { return spawn_with(scene, -1, (int[]){1, 0, 2}); }

// The executable and the channel lie where the worker's descriptors will be.
static struct outcome spawn_low(struct scene *scene) {
    dup2(scene->null, 0);
    return spawn_with(scene, 0, (int[]){scene->null, scene->null, scene->null});
}

#define FAULT(call, error) {SYS_##call, #call, error, -1, 0}
#define FAULT_IF(call, error, argument, value) {SYS_##call, #call, error, argument, (unsigned)(value)}
// The call does nothing and succeeds: what an unprivileged user may not do on the way to what is tested.
#define PRETEND(call) {SYS_##call, #call, 0x10000, -1, 0}
#define FAIL(name, run, call, error) {"rl_" name, run, {FAULT(call, error)}, -1, error}

enum { fork_flags = 0x01200000 | SIGCHLD };  // CLONE_CHILD_SETTID and CLONE_CHILD_CLEARTID

const struct row rows[] = {
    FAIL("reap_pidfd", reap_pidfd, waitid, EPERM),
    FAIL("peek_pidfd", peek_pidfd, waitid, EPERM),
    FAIL("peek_child", peek_child, waitid, EPERM),
    {"rl_peek_child", peek_child, {FAULT(waitid, ECHILD)}, 0, 0},
    FAIL("next_stop_or_go_on", next_stop, waitid, EPERM),
    {"rl_next_stop_or_go_on", next_stop, {FAULT(waitid, ECHILD)}, 0, 0},
    FAIL("reap_child", reap_child, waitid, ECHILD),
    FAIL("exit_of_stranger", exit_of_stranger, ioctl, EPERM),
    {"rl_exit_of_stranger", exit_of_stranger, {FAULT(ioctl, ENOTTY)}, 0, 0},
    FAIL("name_process", name_process, prctl, EINVAL),
    FAIL("pidfd_open", pidfd_open_, pidfd_open, EMFILE),
    FAIL("signal", signal_, pidfd_send_signal, EPERM),
    FAIL("signal_group", signal_group, pidfd_send_signal, EPERM),
    {"rl_signal_group", signal_group, {FAULT(pidfd_send_signal, EINVAL), FAULT(kill, ESRCH)}, -1, ESRCH},
    FAIL("kill_with_group", kill_with_group, pidfd_send_signal, EPERM),
    {"rl_kill_with_group", kill_with_group, {FAULT(pidfd_send_signal, EINVAL), FAULT(kill, ESRCH)}, -1, EINVAL},
    FAIL("take_signals", take_signals, rt_sigprocmask, EINVAL),
    FAIL("take_signals", take_signals, rt_sigaction, EINVAL),
    {"rl_take_signals", take_signals, {FAULT_IF(rt_sigaction, EINVAL, 0, SIGUSR1)}, -1, EINVAL},
    FAIL("keep_signals", keep_signals, rt_sigprocmask, EINVAL),
    FAIL("keep_signals", keep_signals, rt_sigaction, EINVAL),
    FAIL("signal_descriptor", signal_descriptor, signalfd4, EMFILE),
    FAIL("pipe", pipe_, pipe2, EMFILE),
    FAIL("pipe", pipe_, fcntl, ENOMEM),
    FAIL("memory_file", memory_file, memfd_create, EMFILE),
    FAIL("memory_file", memory_file, memfd_create, EINVAL),
    FAIL("seal_memory_file", seal_memory_file, fcntl, EBUSY),
    {"rl_is_sealed", is_sealed, {FAULT(fcntl, EINVAL)}, 0, 0},
    FAIL("open_path", open_path, openat, EMFILE),
    FAIL("open_entry", open_entry, openat, ELOOP),
    FAIL("access_list", access_list, getxattr, EIO),
    FAIL("become_subreaper", become_subreaper, prctl, EINVAL),
    FAIL("file_descriptor_limit_raise", limit_raise, prlimit64, EPERM),
    FAIL("receive_datagram", receive_datagram, recvmsg, ENOBUFS),
    {"rl_receive_whole_packet", receive_cut_packet, {FAULT(getppid, EPERM)}, -1, EMSGSIZE},
    FAIL("bind_datagram", bind_datagram, bind, EADDRINUSE),
    FAIL("refuse_descriptors", refuse_descriptors, setsockopt, ENOPROTOOPT),
    FAIL("send_datagram", send_datagram, sendto, ECONNREFUSED),
    FAIL("send_with_descriptor", send_with_descriptor, sendmsg, ETOOMANYREFS),
    FAIL("try_clone", try_clone, clone, EAGAIN),
    FAIL("try_clone", try_clone, waitid, ECHILD),
    FAIL("try_exit_info", try_exit_info, clone, EAGAIN),
    FAIL("try_exit_info", try_exit_info, waitid, ECHILD),
    FAIL("try_exit_info", try_exit_info, ioctl, ENOTTY),
    FAIL("try_close_range", try_close_range, close_range, ENOSYS),
    FAIL("try_thread_pidfd", try_thread_pidfd, pidfd_open, EINVAL),
    FAIL("connect_datagram", connect_datagram, connect, ENOENT),
    FAIL("accept", accept_, accept4, EMFILE),
    FAIL("peer_credentials", peer_credentials, getsockopt, ENOPROTOOPT),
    {"rl_peer_has_group", peer_has_group, {FAULT(getsockopt, ERANGE)}, false, 0},
    FAIL("sockets", sockets_, socket, EMFILE),
    FAIL("sockets", sockets_, sendto, ENOBUFS),
    FAIL("sockets", sockets_, recvfrom, ENOBUFS),
    FAIL("handshakes", handshakes_, socket, EPROTONOSUPPORT),
    FAIL("handshakes", handshakes_, sendto, ENOBUFS),
    FAIL("handshakes", handshakes_, recvfrom, EAGAIN),
    FAIL("affinity", affinity, sched_getaffinity, EPERM),
    FAIL("affinity", affinity, sched_getaffinity, EINVAL),
    FAIL("report_listeners", report_listeners, seccomp, ENOMEM),
    FAIL("report_listeners", report_listeners, seccomp, EINVAL),
    FAIL("report_listeners", report_listeners, seccomp, EACCES),
    {"rl_report_listeners", report_listeners, {FAULT(seccomp, EACCES), FAULT(prctl, EPERM)}, -1, EPERM},
    FAIL("report_listeners", report_listeners, sendmsg, ETOOMANYREFS),
    FAIL("receive_descriptor", receive_descriptor, recvmsg, EAGAIN),
    FAIL("try_sharing", try_sharing, seccomp, ENOSYS),
    {"rl_try_sharing", try_sharing, {FAULT_IF(seccomp, EBUSY, 0, SECCOMP_SET_MODE_FILTER)}, -1, EBUSY},
    FAIL("try_sharing", try_sharing, clone, EAGAIN),
    {"rl_try_sharing", try_sharing, {FAULT_IF(clone, EAGAIN, 0, fork_flags)}, -1, EAGAIN},
    FAIL("try_sharing", try_sharing, waitid, ECHILD),
    FAIL("try_sharing", try_sharing, sendmsg, EPIPE),
    FAIL("try_sharing", try_sharing, pidfd_open, EMFILE),
    FAIL("try_sharing", try_sharing, pidfd_getfd, EPERM),
    FAIL("try_sharing", try_sharing, process_vm_readv, EPERM),
    {"rl_next_call", next_call, {FAULT(poll_now, ENOMEM)}, -1, ENOENT},
    {"rl_calls_are_over", calls_are_over, {FAULT(poll_now, ENOMEM)}, 0, 0},
    FAIL("differing_tables", differing_tables, kcmp, EPERM),
    FAIL("next_call", next_call, ioctl, ENOENT),
    FAIL("answer_call", answer_call, ioctl, ENOENT),
    FAIL("continue_call", continue_call, ioctl, EINPROGRESS),
    {"rl_call_is_pending", call_is_pending, {FAULT(ioctl, ENOENT)}, false, 0},
    FAIL("replace_descriptor", replace_descriptor, ioctl, EMFILE),
    FAIL("poll_as", poll_as, clone, EAGAIN),
    FAIL("poll_as", poll_as, fcntl, EMFILE),
    FAIL("poll_as", poll_as, dup_to, EBUSY),
    FAIL("poll_as", poll_as, epoll_ctl, ENOSPC),
    FAIL("poll_as", poll_as, waitid, ECHILD),
    FAIL("open_thread", open_thread, pidfd_open, EINVAL),
    FAIL("open_thread", open_thread, pidfd_open, EMFILE),
    FAIL("take_descriptor", take_descriptor, pidfd_getfd, EMFILE),
    FAIL("send_packet", send_packet, sendmsg, ETOOMANYREFS),
    FAIL("receive_packet", receive_packet, recvmsg, ECONNRESET),
    FAIL("confine_helper", confine_helper, rt_sigaction, EINVAL),
    FAIL("confine_helper", confine_helper, capget, EFAULT),
    FAIL("confine_helper", confine_helper, capset, EPERM),
    {"rl_confine_helper", confine_helper, {FAULT_IF(prctl, EINVAL, 0, PR_SET_NAME)}, -1, EINVAL},
    {"rl_confine_helper", confine_helper, {FAULT_IF(prctl, EINVAL, 0, PR_SET_NO_NEW_PRIVS)}, -1, EINVAL},
    {"rl_confine_helper", confine_helper, {FAULT_IF(prctl, EINVAL, 0, PR_CAP_AMBIENT)}, -1, EINVAL},
    {"rl_confine_helper", confine_helper, {FAULT_IF(prctl, EINVAL, 0, PR_SET_PDEATHSIG)}, -1, EINVAL},
    FAIL("confine_helper", confine_helper, seccomp, ENOSYS),
    FAIL("try_sibling", try_sibling, clone, EAGAIN),
    FAIL("try_sibling", try_sibling, pidfd_open, EMFILE),
    FAIL("try_sibling", try_sibling, pidfd_getfd, EPERM),
    FAIL("try_sibling", try_sibling, process_vm_readv, EPERM),
    FAIL("read_memory", read_memory, process_vm_readv, EFAULT),
    FAIL("steer", steer, setsockopt, ENOMEM),
    FAIL("steer_nowhere", steer_nowhere, bpf, EPERM),
    FAIL("steer_nowhere", steer_nowhere, setsockopt, EPERM),
    FAIL("refuse_connections", refuse, setsockopt, ENOMEM),
    FAIL("admit_connections", admit, setsockopt, EPERM),
    {"rl_admit_connections", admit, {FAULT(setsockopt, ENOENT)}, 0, 0},
    {"rl_tcp_state", tcp_state, {FAULT_IF(getsockopt, EBADF, 2, TCP_QUICKACK)}, -1, EBADF},
    {"rl_tcp_state", tcp_state, {FAULT_IF(getsockopt, ENOPROTOOPT, 2, TCP_INFO)}, -1, ENOPROTOOPT},
    FAIL("tcp_state", tcp_state, ioctl, ENOTTY),

    {"rl_start", spawn, {FAULT(mmap, ENOMEM)}, rl_stage_clone, ENOMEM},
    {"rl_start", spawn, {FAULT(mprotect, ENOMEM)}, rl_stage_clone, ENOMEM},
    {"rl_start", spawn, {FAULT(rt_sigprocmask, EINVAL)}, rl_stage_clone, EINVAL},
    {"rl_start", spawn, {FAULT(clone, EAGAIN)}, rl_stage_clone, EAGAIN},
    {"rl_start", spawn, {FAULT(close_range, ENOSYS), FAULT(unshare, ENOMEM)}, rl_stage_descriptors, ENOMEM},
    {"rl_start", spawn_low, {FAULT(fcntl, EMFILE)}, rl_stage_descriptors, EMFILE},
    {"rl_start", spawn, {FAULT(dup3, EBUSY)}, rl_stage_descriptors, EBUSY},
    {"rl_start", spawn_swapped, {FAULT_IF(fcntl, EMFILE, 1, F_DUPFD_CLOEXEC)}, rl_stage_descriptors, EMFILE},
    {"rl_start", spawn_swapped, {FAULT_IF(fcntl, EBADF, 1, F_SETFD)}, rl_stage_descriptors, EBADF},
    {"rl_start", spawn, {FAULT_IF(close_range, EPERM, 2, 0)}, rl_stage_descriptors, EPERM},
    {"rl_start", spawn_grouped, {FAULT(clone3, EAGAIN)}, rl_stage_clone, EAGAIN},
    {"rl_start", spawn_grouped, {FAULT(clone3, ENOSYS), FAULT(openat, EACCES)}, rl_stage_cgroup, EACCES},
    {"rl_start", spawn, {FAULT(seccomp, ENOMEM)}, rl_stage_filter, ENOMEM},
    {"rl_start", spawn, {FAULT(seccomp, EACCES), FAULT(prctl, EPERM)}, rl_stage_filter, EPERM},
    {"rl_start", spawn, {FAULT(sendmsg, EPIPE)}, rl_stage_descriptors, EPIPE},
    {"rl_start", spawn, {FAULT(setsid, EPERM)}, rl_stage_session, EPERM},
    {"rl_start", spawn, {FAULT(fchdir, EACCES)}, rl_stage_directory, EACCES},
    {"rl_start", spawn, {FAULT(prlimit64, EPERM)}, rl_stage_limits, EPERM},
    {"rl_start", spawn, {FAULT(setpriority, EACCES)}, rl_stage_nice, EACCES},
    {"rl_start", spawn, {FAULT(sched_setaffinity, EINVAL)}, rl_stage_affinity, EINVAL},
    {"rl_start", spawn, {FAULT(rt_sigaction, EINVAL)}, rl_stage_signals, EINVAL},
    {"rl_start", spawn, {FAULT(capget, EPERM)}, rl_stage_capabilities, EPERM},
    {"rl_start", spawn, {FAULT(capset, EPERM)}, rl_stage_capabilities, EPERM},
    {"rl_start", spawn, {FAULT(setgroups, EPERM)}, rl_stage_groups, EPERM},
    {"rl_start", spawn, {PRETEND(setgroups), FAULT(setresgid, EINVAL)}, rl_stage_group_id, EINVAL},
    {"rl_start", spawn, {PRETEND(setgroups), FAULT(setresuid, EAGAIN)}, rl_stage_user_id, EAGAIN},
    {"rl_start", spawn, {PRETEND(setgroups), FAULT_IF(prctl, EINVAL, 0, PR_SET_DUMPABLE)}, rl_stage_user_id, EINVAL},
    {"rl_start", spawn, {PRETEND(setgroups), FAULT(execve, ENOENT)}, rl_stage_exec, ENOENT},
    {"rl_start", spawn_file, {PRETEND(setgroups), FAULT(execveat, ETXTBSY)}, rl_stage_exec, ETXTBSY},
    // The kernels that lack them do without.
    {"rl_start", spawn, {PRETEND(setgroups), FAULT(close_range, ENOSYS)}, rl_stage_none, 0},
    {"rl_free_start", spawn, {PRETEND(setgroups), FAULT(munmap, EINVAL)}, -1, EINVAL},
    {"rl_receive_note", receive_note, {FAULT(recvmsg, EAGAIN)}, -1, EAGAIN},
};
const size_t row_count = sizeof rows / sizeof *rows;
