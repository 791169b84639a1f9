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
    // More than any user has; one with more is not looked at further, which denies and never grants.
    gid_t groups[1024];
    socklen_t size = sizeof groups;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0) return false;
    for (size_t i = 0; i < size / sizeof *groups; i++)
        if (groups[i] == group) return true;
    return false;
}

struct table {
    struct rl_socket *sockets;
    size_t room, count;
};

static struct rl_socket tcp_socket(const struct nlmsghdr *message) {
    const struct inet_diag_msg *socket = NLMSG_DATA(message);
    bool listens = socket->idiag_state == TCP_LISTEN;
    return (struct rl_socket){
        .inode = socket->idiag_inode,
        .address = ntohs(socket->id.idiag_sport),
        .listens = listens,
        .queue = listens ? socket->idiag_rqueue : 0,
    };
}

// FNV-1a, above the ports.
static uint64_t hash_name(const unsigned char *name, size_t size) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < size; i++) hash = (hash ^ name[i]) * 1099511628211u;
    return hash | 1ull << 63;
}

static struct rl_socket unix_socket(const struct nlmsghdr *message) {
    const struct unix_diag_msg *diag = NLMSG_DATA(message);
    struct rl_socket socket = {.inode = diag->udiag_ino, .listens = diag->udiag_state == TCP_LISTEN};
    size_t size = NLMSG_PAYLOAD(message, sizeof *diag);
    for (const struct rtattr *part = (const void *)(diag + 1); RTA_OK(part, size); part = RTA_NEXT(part, size)) {
        if (part->rta_type == UNIX_DIAG_NAME) socket.address = hash_name(RTA_DATA(part), RTA_PAYLOAD(part));
        if (part->rta_type == UNIX_DIAG_RQLEN && socket.listens)
            socket.queue = ((const struct unix_diag_rqlen *)RTA_DATA(part))->udiag_rqueue;
    }
    return socket;
}

// 1: go on, 0: the dump is complete, -1: it failed.
static int take_messages(struct table *table, uint8_t family, const char *bytes, size_t size) {
    for (const struct nlmsghdr *message = (const void *)bytes; NLMSG_OK(message, size);
         message = NLMSG_NEXT(message, size)) {
        if (message->nlmsg_type == NLMSG_DONE) return 0;
        if (message->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *failure = NLMSG_DATA(message);
            errno = failure->error ? -failure->error : EPROTO;
            return -1;
        }
        if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY) continue;
        if (table->count == table->room) {
            errno = EOVERFLOW;
            return -1;
        }
        table->sockets[table->count++] = family == AF_UNIX ? unix_socket(message) : tcp_socket(message);
    }
    return 1;
}

static ssize_t ask(int netlink, uint8_t family) {
    struct {
        struct nlmsghdr header;
        union {
            struct inet_diag_req_v2 inet;
            struct unix_diag_req local;
        };
    } question = {.header = {sizeof question.header, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, family, 0}};
    if (family == AF_UNIX) {
        question.header.nlmsg_len += sizeof question.local;
        question.local = (struct unix_diag_req){
            .sdiag_family = family,
            .udiag_states = 1u << TCP_LISTEN | 1u << TCP_ESTABLISHED,
            .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_RQLEN,
        };
    } else {
        question.header.nlmsg_len += sizeof question.inet;
        question.inet = (struct inet_diag_req_v2){
            .sdiag_family = family,
            .sdiag_protocol = IPPROTO_TCP,
            .idiag_states = 1u << TCP_LISTEN | 1u << TCP_ESTABLISHED | 1u << TCP_CLOSE_WAIT,
        };
    }
    return send(netlink, &question, question.header.nlmsg_len, 0);
}

static int dump(int netlink, uint8_t family, struct table *table) {
    if (ask(netlink, family) < 0) return -1;
    // Aligned for the headers in it; the kernel fills at most 32 KiB at once.
    _Alignas(struct nlmsghdr) char answer[32768];
    while (true) {
        // The kernel answers while it is asked: there is never anything to wait for.
        ssize_t size = recv(netlink, answer, sizeof answer, MSG_DONTWAIT);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return -1;
        int more = take_messages(table, family, answer, (size_t)size);
        if (more <= 0) return more;
    }
}

ssize_t rl_sockets(struct rl_socket *sockets, size_t room) {
    struct table table = {sockets, room, 0};
    uint8_t families[] = {AF_INET, AF_INET6, AF_UNIX};
    for (size_t i = 0; i < sizeof families; i++) {
        // One for each: what a dump that is broken off leaves unread goes with its socket.
        int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        if (netlink < 0) return -1;
        int result = dump(netlink, families[i], &table);
        int error = errno;
        close(netlink);
        errno = error;
        // A kernel without IPv6 has none of its sockets; one built without unix_diag does not tell.
        if (result < 0 && !(families[i] != AF_INET && error == ENOENT)) return -1;
    }
    return (ssize_t)table.count;
}
