// Peers of unix sockets, and the kernel's table of TCP sockets.
#define _GNU_SOURCE
#include "clinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
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

// 1: go on, 0: the dump is complete, -1: it failed.
static int take_messages(struct table *table, const char *bytes, size_t size) {
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
        const struct inet_diag_msg *socket = NLMSG_DATA(message);
        bool listens = socket->idiag_state == TCP_LISTEN;
        table->sockets[table->count++] = (struct rl_socket){
            .inode = socket->idiag_inode,
            .port = ntohs(socket->id.idiag_sport),
            .listens = listens,
            .queue = listens ? socket->idiag_rqueue : 0,
        };
    }
    return 1;
}

static int dump(int netlink, uint8_t family, struct table *table) {
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } question = {
        .header = {sizeof question, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, family, 0},
        .request = {
            .sdiag_family = family,
            .sdiag_protocol = IPPROTO_TCP,
            .idiag_states = 1u << TCP_LISTEN | 1u << TCP_ESTABLISHED | 1u << TCP_CLOSE_WAIT,
        },
    };
    if (send(netlink, &question, sizeof question, 0) < 0) return -1;
    // Aligned for the headers in it; the kernel fills at most 32 KiB at once.
    _Alignas(struct nlmsghdr) char answer[32768];
    while (true) {
        // The kernel answers while it is asked: there is never anything to wait for.
        ssize_t size = recv(netlink, answer, sizeof answer, MSG_DONTWAIT);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return -1;
        int more = take_messages(table, answer, (size_t)size);
        if (more <= 0) return more;
    }
}

ssize_t rl_tcp_sockets(struct rl_socket *sockets, size_t room) {
    struct table table = {sockets, room, 0};
    uint8_t families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < 2; i++) {
        // One for each: what a dump that is broken off leaves unread goes with its socket.
        int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        if (netlink < 0) return -1;
        int result = dump(netlink, families[i], &table);
        int error = errno;
        close(netlink);
        errno = error;
        // A kernel without IPv6 has none of its sockets.
        if (result < 0 && !(families[i] == AF_INET6 && error == ENOENT)) return -1;
    }
    return (ssize_t)table.count;
}
