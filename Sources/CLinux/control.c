// Peers of unix sockets, and the kernel's tables of sockets.
#define _GNU_SOURCE
#include "clinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

int rl_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK); }

int rl_peer_credentials(int socket, struct rl_peer *peer) {
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) return -1;
    *peer = (struct rl_peer){credentials.pid, credentials.uid, credentials.gid};
    return 0;
}

bool rl_peer_has_group(int socket, uint32_t group) {
    // More than any user has. A peer with more is not examined further, which only denies and never grants.
    gid_t groups[1024];
    socklen_t size = sizeof groups;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0) return false;
    for (size_t i = 0; i < size / sizeof *groups; i++)
        if (groups[i] == group) return true;
    return false;
}

// What is done with each message of a dump. Returns 0, or -1 with errno set to abort the dump.
typedef int taker(void *found, const struct nlmsghdr *message);

// Returns 1 to go on, 0 if the dump is complete, -1 if it failed.
static int take_messages(const char *bytes, size_t size, taker *take, void *found) {
    for (const struct nlmsghdr *message = (const void *)bytes; NLMSG_OK(message, size);
         message = NLMSG_NEXT(message, size)) {
        if (message->nlmsg_type == NLMSG_DONE) return 0;
        if (message->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *failure = NLMSG_DATA(message);
            return errno = failure->error ? -failure->error : EPROTO, -1;
        }
        if (message->nlmsg_type == SOCK_DIAG_BY_FAMILY && take(found, message) < 0) return -1;
    }
    return 1;
}

static int receive_dump(int netlink, taker *take, void *found) {
    // Aligned for the headers inside; the kernel fills at most 32 KiB at once.
    _Alignas(struct nlmsghdr) char answer[32768];
    while (true) {
        // The kernel answers during the request, so there is never anything to wait for.
        ssize_t size = recv(netlink, answer, sizeof answer, MSG_DONTWAIT);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return -1;
        int more = take_messages(answer, (size_t)size, take, found);
        if (more <= 0) return more;
    }
}

struct question {
    struct nlmsghdr header;
    union {
        struct inet_diag_req_v2 inet;
        struct unix_diag_req local;
    };
};

// Asks for the TCP sockets of `family` in these states; `port`: only those with this local port, or 0 for all.
static struct question about_tcp(uint8_t family, uint32_t states, uint16_t port) {
    return (struct question){
        .header.nlmsg_len = sizeof(struct nlmsghdr) + sizeof(struct inet_diag_req_v2),
        .inet = {
            .sdiag_family = family,
            .sdiag_protocol = IPPROTO_TCP,
            .idiag_states = states,
            .id.idiag_sport = htons(port),
        }};
}

static struct question about_unix(void) {
    return (struct question){
        .header.nlmsg_len = sizeof(struct nlmsghdr) + sizeof(struct unix_diag_req),
        .local = {
            .sdiag_family = AF_UNIX,
            .udiag_states = 1u << TCP_LISTEN | 1u << TCP_ESTABLISHED,
            .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_RQLEN,
        }};
}

static int dump(struct question question, bool is_needed, taker *take, void *found) {
    question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    question.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    // One socket per dump: what an aborted dump leaves unread goes away with its socket.
    int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (netlink < 0) return -1;
    int result = send(netlink, &question, question.header.nlmsg_len, 0) < 0 ? -1 : receive_dump(netlink, take, found);
    int error = errno;
    close(netlink);
    errno = error;
    // A kernel without IPv6 has no such sockets; a kernel built without unix_diag reports none.
    return result < 0 && !is_needed && error == ENOENT ? 0 : result;
}

struct table {
    struct rl_socket *sockets;
    size_t room, count;
};

static int add_socket(struct table *table, struct rl_socket socket) {
    if (table->count == table->room) return errno = EOVERFLOW, -1;
    table->sockets[table->count++] = socket;
    return 0;
}

static int take_tcp(void *found, const struct nlmsghdr *message) {
    const struct inet_diag_msg *socket = NLMSG_DATA(message);
    bool listens = socket->idiag_state == TCP_LISTEN;
    struct rl_socket result = {
        .inode = socket->idiag_inode,
        .address = ntohs(socket->id.idiag_sport),
        .listens = listens,
        .family = socket->idiag_family,
        .queue = listens ? socket->idiag_rqueue : 0,
    };
    memcpy(result.host, socket->id.idiag_src, sizeof result.host);
    return add_socket(found, result);
}

// FNV-1a.
static uint64_t hash(const void *bytes, size_t size) {
    const unsigned char *byte = bytes;
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < size; i++) hash = (hash ^ byte[i]) * 1099511628211u;
    return hash;
}

static int take_unix(void *found, const struct nlmsghdr *message) {
    const struct unix_diag_msg *diag = NLMSG_DATA(message);
    struct rl_socket socket = {
        .inode = diag->udiag_ino, .listens = diag->udiag_state == TCP_LISTEN, .family = AF_UNIX};
    size_t size = NLMSG_PAYLOAD(message, sizeof *diag);
    for (const struct rtattr *part = (const void *)(diag + 1); RTA_OK(part, size); part = RTA_NEXT(part, size)) {
        // Above all port numbers.
        if (part->rta_type == UNIX_DIAG_NAME)
            socket.address = hash(RTA_DATA(part), RTA_PAYLOAD(part)) | 1ull << 63;
        if (part->rta_type == UNIX_DIAG_RQLEN && socket.listens)
            socket.queue = ((const struct unix_diag_rqlen *)RTA_DATA(part))->udiag_rqueue;
    }
    return add_socket(found, socket);
}

ssize_t rl_sockets(struct rl_socket *sockets, size_t room) {
    struct table table = {sockets, room, 0};
    uint32_t states = 1u << TCP_LISTEN | 1u << TCP_ESTABLISHED | 1u << TCP_CLOSE_WAIT;
    if (dump(about_tcp(AF_INET, states, 0), true, take_tcp, &table) < 0) return -1;
    if (dump(about_tcp(AF_INET6, states, 0), false, take_tcp, &table) < 0) return -1;
    if (dump(about_unix(), false, take_unix, &table) < 0) return -1;
    return (ssize_t)table.count;
}

struct handshakes {
    uint64_t *peers;
    size_t room, count;
};

static int take_handshake(void *found, const struct nlmsghdr *message) {
    struct handshakes *handshakes = found;
    const struct inet_diag_msg *socket = NLMSG_DATA(message);
    if (handshakes->count == handshakes->room) return errno = EOVERFLOW, -1;
    // Only addresses and ports are hashed: the rest of the structure differs from dump to dump.
    handshakes->peers[handshakes->count++] = hash(&socket->id, offsetof(struct inet_diag_sockid, idiag_if));
    return 0;
}

ssize_t rl_handshakes(uint16_t port, uint64_t *peers, size_t room) {
    enum { new_syn_recv = 12 };  // the kernel's own state; older kernels report it as TCP_SYN_RECV
    struct handshakes found = {peers, room, 0};
    uint32_t states = 1u << TCP_SYN_RECV | 1u << new_syn_recv;
    if (dump(about_tcp(AF_INET, states, port), true, take_handshake, &found) < 0) return -1;
    if (dump(about_tcp(AF_INET6, states, port), false, take_handshake, &found) < 0) return -1;
    return (ssize_t)found.count;
}
