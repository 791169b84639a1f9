// What the control interface asks the kernel: who is at the other end of a socket, and which TCP sockets exist.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct rl_peer {
    pid_t pid;
    uint32_t uid, gid;
};

// accept4(2): the new descriptor is close-on-exec and does not block.
int rl_accept(int listener);
// SO_PEERCRED: the peer's credentials at the time it connected. 0, or -1 with errno set.
int rl_peer_credentials(int socket, struct rl_peer *peer);
// Whether `group` was among the peer's supplementary groups when it connected (SO_PEERGROUPS, Linux 4.13).
bool rl_peer_has_group(int socket, uint32_t group);

// One TCP socket of this network namespace, from sock_diag(7).
struct rl_socket {
    uint64_t inode;
    uint64_t address;            // the same for a listening socket and those that it has accepted: the port, or for a
                                 // unix socket a hash of its name, above all ports; 0: it has none
    bool listens;
    uint8_t family;              // AF_INET, AF_INET6 or AF_UNIX
    uint8_t host[16];            // the first 4 bytes for IPv4, all of them for IPv6, in network order
    uint32_t queue;              // if it listens: connections that wait to be accepted
};

// Writes the TCP sockets of IPv4 and IPv6 and the unix sockets that listen or are connected, up to `room` of them.
// Returns how many it wrote, or -1 with errno set: EOVERFLOW if there are more. Does not wait.
ssize_t rl_sockets(struct rl_socket *sockets, size_t room);

// Writes a number for each TCP connection to the local `port` that the kernel is still setting up (SYN_RECV). The
// number is the same for the same peer each time. Returns how many it wrote, or -1 with errno set: EOVERFLOW if there
// are more. Does not wait.
ssize_t rl_handshakes(uint16_t port, uint64_t *peers, size_t room);
