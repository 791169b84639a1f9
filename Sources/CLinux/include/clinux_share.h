// Sharing a port among programs that know nothing of it: seccomp user notification, and what steers a reuseport group.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Puts a filter on the calling process that reports bind(2) and listen(2) to whoever holds the descriptor that is sent
// over the unix socket `channel`. For the child between clone and exec: nothing but system calls. 0, or -1 with errno
// set.
int rl_report_listeners(int channel);
// Receives that descriptor. -1 with errno set; EPIPE when none was sent.
int rl_receive_descriptor(int channel);
// Tries in a child of its own whether a program started here could report its calls: 0, or -1 with errno set and
// *missing naming what is not there. What the child sends over `channel` is left there to be received.
int rl_try_sharing(int channel, const char **missing);

// A call that waits for an answer.
struct rl_call {
    uint64_t id;
    pid_t thread;            // in the reader's pid namespace; 0 where it has none there
    bool binds;              // bind(2), else listen(2)
    int descriptor;          // of the caller
    uint64_t address;        // bind: where its sockaddr is, in the caller's memory
    uint64_t number;         // bind: the sockaddr's length as given; listen: the backlog as given
};

// The next call. -1 with errno set: ENOENT when the caller is gone meanwhile.
int rl_next_call(int notifications, struct rl_call *call);
// Answers: `error` 0 is success, > 0 that errno. -1 with errno ENOENT when the caller is gone.
int rl_answer_call(int notifications, uint64_t id, int error);
// Lets the kernel carry the call out as it stands.
int rl_continue_call(int notifications, uint64_t id);
// The caller is still there and still waits, so its pid and memory are still its own.
bool rl_call_is_pending(int notifications, uint64_t id);
// Puts our `source` in place of the caller's descriptor `target`, close-on-exec or not.
int rl_replace_descriptor(int notifications, uint64_t id, int source, int target, bool closes_on_exec);

// Adds `source` to another process' epoll, of which `epoll` is our copy, under the descriptor number that it has there:
// epoll(7) knows an entry by its open file and that number, and the process must be able to change and remove it.
int rl_poll_as(int epoll, int source, int number, uint32_t events, uint64_t data);

// A pidfd of this thread, whose descriptors may be its own; before Linux 6.9 -1 with errno EINVAL or ENOENT, unless it
// is its process' first one.
int rl_open_thread(pid_t thread);
// pidfd_getfd(2).
int rl_take_descriptor(int pidfd, int descriptor);
// Reads another process' memory: the number of bytes, or -1 with errno set.
ssize_t rl_read_memory(pid_t pid, uint64_t address, void *buffer, size_t size);

// Attaches to the reuseport group of `socket` a program that spreads new connections evenly over the members named by
// `indices`, in ascending order. The kernel counts a group's members in the order in which they began to listen, and
// puts the last one in the place of one that leaves. `by_sender`: what comes from one address and port goes to one
// member, as datagrams must, for as long as the members stay the same.
int rl_steer(int socket, const uint32_t *indices, size_t count, bool by_sender);
// How many runs of consecutive indices rl_steer takes.
enum { rl_steer_runs_max = 1000 };
// Makes the group choose nobody, so that the kernel refuses new connections; what is established, being set up or waits
// to be accepted goes on. Needs CAP_BPF and CAP_NET_ADMIN: -1 with errno EPERM without them.
int rl_steer_nowhere(int socket);
// Drops packets that open a connection (all, of a datagram socket), so that their senders try again later: what is
// established, being set up or waits to be accepted goes on.
int rl_refuse_connections(int socket, bool is_datagram);
// Ends rl_refuse_connections.
int rl_admit_connections(int socket);

// One TCP socket: TCP_INFO, TCP_QUICKACK and FIONREAD. Times are milliseconds ago, in ticks of the kernel.
struct rl_tcp {
    uint8_t state;               // TCP_ESTABLISHED …
    uint32_t queue;              // listening: connections that wait to be accepted, and nothing of what follows
    uint64_t bytes_received;
    uint64_t bytes_unread;       // received and not read by the program
    uint64_t bytes_sent;         // without those that were sent again
    uint64_t bytes_unsent;       // written and not sent yet
    uint32_t segments_unacked;
    uint32_t sent_ago;
    uint32_t received_ago;
    uint32_t acked_ago;
    uint32_t round_trip;         // milliseconds
    uint32_t ack_delay;          // milliseconds until what is received is acknowledged by itself
    uint32_t segments_in, segments_out, data_segments_in, data_segments_out;
    bool quick_ack;
};
int rl_tcp_state(int socket, struct rl_tcp *result);
