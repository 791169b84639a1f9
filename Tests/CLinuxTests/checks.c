// What the functions do with bad input, and when nothing fails: the sanitizers watch the ordinary paths, too.
#define _GNU_SOURCE
#include "failures.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int wrong;

static void check_(bool holds, const char *what, int line) {
    if (holds) return;
    fprintf(stderr, "checks.c:%d: %s (errno %d, %s)\n", line, what, errno, strerror(errno));
    wrong++;
}
#define check(condition) check_(condition, #condition, __LINE__)

static int count_open(void) {
    int count = 0;
    struct stat status;
    for (int i = 0; i < 4096; i++) count += fstat(i, &status) == 0;
    return count;
}

static void send_descriptors(int socket, int descriptor, int count) {
    char space[CMSG_SPACE(sizeof(int) * 253)] = {0};
    char byte = 'x';
    struct iovec piece = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = space,
        .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count)};
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
    for (int i = 0; i < count; i++) memcpy(CMSG_DATA(part) + sizeof(int) * (size_t)i, &descriptor, sizeof(int));
    check(sendmsg(socket, &message, 0) == 1);
}

static void try_datagrams(struct scene *scene) {
    char buffer[64];
    uint32_t uid = 0;
    check(rl_receive_datagram(scene->datagrams[0], buffer, sizeof buffer, &uid) == 7 && uid == getuid());
    for (int count = 1; count <= 253; count += 84) {
        int before = count_open();
        send_descriptors(scene->datagrams[1], scene->null, count);
        check(rl_receive_datagram(scene->datagrams[0], buffer, 0, &uid) == 0);
        check(count_open() == before);
    }
    char path[300];
    memset(path, 'a', sizeof path);
    path[sizeof path - 1] = 0;
    check(rl_send_datagram(scene->datagrams[1], "", "x", 1) < 0 && errno == ENAMETOOLONG);
    check(rl_send_datagram(scene->datagrams[1], path, "x", 1) < 0 && errno == ENAMETOOLONG);
    check(rl_connect_datagram(scene->datagrams[1], path) < 0 && errno == ENAMETOOLONG);
    check(rl_bind_datagram(scene->datagrams[1], path) < 0 && errno == ENAMETOOLONG);
    path[107] = 0;
    check(rl_send_datagram(scene->datagrams[1], path, "x", 1) < 0 && errno != ENAMETOOLONG);
    int own = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    path[0] = '@';
    check(rl_bind_datagram(own, path) == 0);
    close(own);
}

static void try_descriptors(struct scene *scene) {
    // One descriptor is expected. More of them, or none, must leave none behind.
    int before = count_open();
    check(send(scene->pair[0], "x", 1, 0) == 1);
    check(rl_receive_descriptor(scene->pair[1]) < 0 && errno == EPIPE);
    send_descriptors(scene->pair[0], scene->null, 1);
    int received = rl_receive_descriptor(scene->pair[1]);
    check(received >= 0 && fcntl(received, F_GETFD) == FD_CLOEXEC);
    close(received);
    send_descriptors(scene->pair[0], scene->null, 2);
    received = rl_receive_descriptor(scene->pair[1]);
    if (received >= 0) close(received);
    check(count_open() == before);
    check(rl_receive_descriptor(scene->pair[1]) < 0 && errno == EAGAIN);

    int ends[2];
    check(rl_pipe(ends) == 0 && fcntl(ends[0], F_GETFL) & O_NONBLOCK && !(fcntl(ends[1], F_GETFL) & O_NONBLOCK));
    close(ends[0]);
    close(ends[1]);
    int file = rl_memory_file("name");
    check(file >= 0 && fcntl(file, F_GETFD) == FD_CLOEXEC);
    check(!rl_is_sealed(file) && write(file, "a", 1) == 1);
    check(rl_seal_memory_file(file) == 0 && rl_is_sealed(file) && write(file, "a", 1) < 0 && errno == EPERM);
    check(!rl_is_sealed(scene->null));
    close(file);
    check(rl_open_path(scene->directory, "no such file") < 0 && errno == ENOENT);
    check(rl_open_entry(scene->directory, "no such file") < 0 && errno == ENOENT);
    check(rl_contains("abc", 3, "bc", 2) && !rl_contains("abc", 2, "bc", 2) && !rl_contains("", 0, "a", 1));
    check(rl_differing_tables(getpid(), getpid()) == 0 && rl_differing_tables(getpid(), -1) < 0);
    check(!rl_calls_are_over(scene->pair[0]));
    check(strlen(rl_error_text(ENOENT)) > 0 && strlen(rl_error_text(-1)) > 0 && strlen(rl_error_text(1 << 30)) > 0);
}

static void try_tables(struct scene *scene) {
    static struct rl_socket sockets[1 << 14];
    ssize_t count = rl_sockets(sockets, sizeof sockets / sizeof *sockets);
    check(count >= 3);
    check(rl_sockets(NULL, 0) < 0 && errno == EOVERFLOW);
    check(rl_sockets(sockets, 2) < 0 && errno == EOVERFLOW);
    uint64_t peers[4];
    check(rl_handshakes(1, peers, 4) == 0 && rl_handshakes(0, NULL, 0) <= 0);
    struct rl_peer peer;
    check(rl_peer_credentials(scene->pair[0], &peer) == 0 && peer.pid == getpid() && peer.uid == getuid());
    check(rl_peer_credentials(scene->null, &peer) < 0 && errno == ENOTSOCK);
    check(!rl_peer_has_group(scene->pair[0], UINT32_MAX) && !rl_peer_has_group(-1, 0));
    int cpus[2];
    int number = rl_affinity(NULL, 0);
    check(number > 0 && rl_affinity(cpus, 1) == number);
    uint64_t soft, hard;
    check(rl_file_descriptor_limit_raise(&soft, &hard) == 0 && soft <= hard);
}

static void try_steering(struct scene *scene) {
    static uint32_t indices[2 * rl_steer_runs_max + 4];
    size_t room = sizeof indices / sizeof *indices;
    for (size_t i = 0; i < room; i++) indices[i] = (uint32_t)(2 * i);
    check(rl_steer(scene->listener, indices, 0, false) < 0 && errno == EINVAL);
    check(rl_steer(scene->listener, indices, rl_steer_runs_max, false) == 0);
    check(rl_steer(scene->listener, indices, rl_steer_runs_max, true) == 0);
    check(rl_steer(scene->listener, indices, rl_steer_runs_max + 1, false) < 0 && errno == E2BIG);
    check(rl_steer(scene->listener, indices, room, true) < 0 && errno == E2BIG);
    uint32_t extremes[] = {0, UINT32_MAX - 1, UINT32_MAX};
    check(rl_steer(scene->listener, extremes, 3, true) == 0);
    check(rl_steer(scene->null, extremes, 3, false) < 0 && errno == ENOTSOCK);
    // Some machines let only root filter sockets.
    bool may = rl_refuse_connections(scene->listener, false) == 0 || errno != EPERM;
    check(!may || rl_admit_connections(scene->listener) == 0);
    check(!may || (rl_refuse_connections(scene->udp, true) == 0 && rl_admit_connections(scene->udp) == 0));
    check(!may || rl_admit_connections(scene->udp) == 0);
    struct rl_tcp tcp;
    check(rl_tcp_state(scene->listener, &tcp) == 0 && tcp.state == 10 && tcp.queue == 0);
    check(rl_tcp_state(scene->udp, &tcp) < 0);
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    check(getsockname(scene->listener, (struct sockaddr *)&address, &size) == 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(connect(client, (struct sockaddr *)&address, size) == 0);
    check(rl_tcp_state(client, &tcp) == 0 && tcp.state == 1);
    int accepted = rl_accept(scene->listener);
    check(accepted >= 0 && fcntl(accepted, F_GETFL) & O_NONBLOCK);
    check(rl_accept(scene->listener) < 0 && errno == EAGAIN);
    close(accepted);
    close(client);
}

// A child that binds and listens under the filter, and is answered in each way there is.
static void try_calls(struct scene *scene) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (rl_report_listeners(scene->pair[0]) < 0) _exit(10);
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int own = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(own, (struct sockaddr *)&address, sizeof address) == 0 || errno != EXDEV) _exit(11);
        if (bind(own, (struct sockaddr *)&address, sizeof address) < 0) _exit(12);
        if (listen(own, INT32_MAX) < 0) _exit(13);
        char byte;
        if (read(own, &byte, 1) != 0) _exit(14);  // it is /dev/null by now
        _exit(0);
    }
    int notifications = -1;
    for (int i = 0; i < 5000 && notifications < 0; i++) {
        notifications = rl_receive_descriptor(scene->pair[1]);
        if (notifications < 0) usleep(1000);
    }
    check(notifications >= 0);
    check(rl_answer_call(notifications, UINT64_MAX, INT32_MAX) < 0 && errno == ENOENT);
    check(rl_continue_call(notifications, 0) < 0 && errno == ENOENT);
    check(!rl_call_is_pending(notifications, 0));
    for (int turn = 0; turn < 3; turn++) {
        struct rl_call call;
        int result = -1;
        for (int i = 0; i < 5000 && result < 0; i++) {
            result = rl_next_call(notifications, &call);
            if (result < 0) usleep(1000);
        }
        check(result == 0 && call.binds == (turn < 2) && rl_call_is_pending(notifications, call.id));
        if (turn == 0) check(rl_answer_call(notifications, call.id, EXDEV) == 0);
        if (turn == 1) {
            struct sockaddr_in address;
            check(call.number == sizeof address);
            check(rl_read_memory(call.thread, call.address, &address, sizeof address) == sizeof address);
            check(address.sin_family == AF_INET);
            check(rl_read_memory(call.thread, UINT64_MAX, &address, 1) < 0 && errno == EFAULT);
            check(rl_continue_call(notifications, call.id) == 0);
        }
        if (turn == 2) {
            check(call.number == INT32_MAX);
            check(rl_replace_descriptor(notifications, call.id, scene->null, call.descriptor, false) == 0);
            check(rl_replace_descriptor(notifications, call.id, scene->null, -1, true) < 0);
            check(rl_answer_call(notifications, call.id, 0) == 0);
        }
    }
    struct rl_exit ending;
    check(rl_reap_child(pid, &ending) == 0 && !ending.signaled && ending.status == 0);
    struct rl_call call;
    check(rl_next_call(notifications, &call) < 0 && errno == ENOENT);
    close(notifications);
}

static void try_sharing(struct scene *scene) {
    const char *missing = NULL;
    int result = rl_try_sharing(scene->pair[0], &missing);
    check(result == 0 || missing != NULL);
    int left = rl_receive_descriptor(scene->pair[1]);
    if (left >= 0) close(left);
    check(rl_poll_as(scene->epoll, scene->udp, 3000, EPOLLIN, 7) == 0);
    check(rl_poll_as(scene->epoll, scene->null, 3000, EPOLLIN, 7) < 0 && errno == EPERM);
    check(rl_open_thread(0) < 0 && rl_open_thread(-1) < 0 && rl_take_descriptor(scene->pidfd, -1) < 0);
}

// Starts a program, or a child that fails before that, which is reaped.
static struct rl_start_state start_one(struct rl_spawn_request *request, pid_t *pid, int *pidfd) {
    int channel[2];
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) == 0);
    request->channel = channel[0];
    struct rl_start *start = rl_start(request, pid, pidfd);
    if (!start) {
        check(start != NULL);
        exit(2);
    }
    struct rl_start_state state = follow(start, channel, *pidfd, true);
    if (state.error != 0) {
        if (!rl_look_at_start(start).has_own_descriptors) close(channel[0]);
        check(waitid(P_PIDFD, (id_t)*pidfd, &(siginfo_t){0}, WEXITED) == 0);
        close(*pidfd);
    }
    check(rl_free_start(start) == 0);
    close(channel[1]);
    return state;
}

static void try_starting(struct scene *scene) {
    char *arguments[] = {"sh", "-c", "test \"$PID\" = $$", NULL};
    char pid_text[32] = "PID=";
    char *environment[] = {"X=", pid_text, NULL};
    static int many[1025];
    for (size_t i = 0; i < sizeof many / sizeof *many; i++) many[i] = scene->null;
    struct rl_spawn_request request = {
        .path = "/bin/sh",
        .executable = -1,
        .arguments = arguments,
        .environment = environment,
        .pid_text = pid_text + 4,
        .directory = scene->directory,
        .descriptors = many,
        .descriptor_count = 3,
        .mask = -1,
        .cpu = -1,
    };
    memset(pid_text + 4, '0', 20);
    struct rl_start_state state;
    struct rl_exit ending;
    pid_t pid;
    int pidfd;
    errno = 0;
    check(start_one(&request, &pid, &pidfd).error == 0);
    check(rl_signal(pidfd, 0) == 0);
    check(waitid(P_PIDFD, (id_t)pidfd, &(siginfo_t){0}, WEXITED | WNOWAIT) == 0);
    check(rl_peek_child(&ending) == 0 && ending.pid == pid);
    check(rl_peek_pidfd(pidfd, &ending) == 0 && ending.pid == pid);
    check(rl_reap_pidfd(pidfd, &ending) == 0 && !ending.signaled && ending.status == 0);
    check(rl_reap_pidfd(pidfd, &ending) < 0 && errno == ECHILD);
    check(pid_text[4] == '0' && pid_text[23] == '0');  // the child has a copy
    close(pidfd);
    request.descriptor_count = 1025;
    errno = 0;
    state = start_one(&request, &pid, &pidfd);
    check(state.stage == rl_stage_descriptors && state.error == E2BIG);
    request.descriptor_count = 3;
    request.directory = scene->null;
    state = start_one(&request, &pid, &pidfd);
    check(state.stage == rl_stage_directory && state.error == ENOTDIR);
    request.directory = scene->directory;
    struct rl_limit limit = {UINT32_MAX, 0, 0};
    request.limits = &limit;
    request.limit_count = 1;
    state = start_one(&request, &pid, &pidfd);
    check(state.stage == rl_stage_limits && state.error == EINVAL);
    request.limit_count = 0;
    arguments[2] = "kill -STOP $$; sleep 1000";
    check(start_one(&request, &pid, &pidfd).error == 0);
    struct rl_stop stop = {0, 0};
    check(waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WSTOPPED | WNOWAIT) == 0);
    check(rl_next_stop_or_go_on(&stop) == 0 && stop.pid == pid && stop.signal == SIGSTOP);
    check(rl_signal_group(pidfd, pid, SIGCONT) == 0);
    check(rl_kill_with_group(pidfd, pid) == 0);
    check(rl_reap_child(pid, &ending) == 0 && ending.signaled && ending.status == SIGKILL);
    close(pidfd);
    check(rl_become_subreaper() == 0);
}

static void try_signals(void) {
    signal(SIGHUP, SIG_IGN);
    check(rl_take_signals() == 0 && rl_hangup_was_ignored());
    int descriptor = rl_signal_descriptor();
    check(descriptor >= 0 && kill(getpid(), SIGHUP) == 0);
    char record[128];
    check(read(descriptor, record, sizeof record) == 128);
    close(descriptor);
    check(rl_take_signals() == 0 && !rl_hangup_was_ignored());
    check(kill(getpid(), SIGCHLD) == 0 && rl_keep_signals(true) == 0 && rl_hangup_was_ignored());
    sigset_t waiting;
    check(sigpending(&waiting) == 0 && sigismember(&waiting, SIGCHLD));
    check(rl_take_signals() == 0);
}

int try_without_faults(void) {
    struct scene scene = set_scene();
    int before = count_open();
    try_datagrams(&scene);
    try_descriptors(&scene);
    try_tables(&scene);
    try_steering(&scene);
    try_sharing(&scene);
    try_calls(&scene);
    try_starting(&scene);
    try_signals();
    check(count_open() == before);
    return wrong;
}
