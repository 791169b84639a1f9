// Sharing a port among programs that know nothing of it: seccomp user notification, and the steering of a reuseport
// group.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Puts a filter on the calling process that reports bind(2) and listen(2) to the holder of the descriptor that is sent
// over the unix socket `channel`. For the child between clone and exec: it makes nothing but system calls. 0, or -1
// with errno set.
int rl_report_listeners(int channel);
// Receives that descriptor. -1 with errno set; EPIPE if none was sent.
int rl_receive_descriptor(int channel);
// Tests, in a child process, whether a program started here could report its calls. Returns 0, or -1 with errno set and
// *missing naming what is missing. The descriptor that the child sends over `channel` is left there to be received.
int rl_try_sharing(int channel, const char **missing);

// A call that waits for an answer.
struct rl_call {
    uint64_t id;
    pid_t thread;            // in the reader's pid namespace; 0 if it has none there
    bool binds;              // bind(2) if set, otherwise listen(2)
    int descriptor;          // the caller's descriptor
    uint64_t address;        // bind: the address of its sockaddr in the caller's memory
    uint64_t number;         // bind: length of the sockaddr as given; listen: backlog as given
};

// Reads the next call. -1 with errno set: ENOENT if the caller has gone in the meantime.
int rl_next_call(int notifications, struct rl_call *call);
// No process is left that could call.
bool rl_calls_are_over(int notifications);
// Answers the call: `error` 0 is success, > 0 is that errno. -1 with errno ENOENT if the caller is gone.
int rl_answer_call(int notifications, uint64_t id, int error);
// Lets the kernel carry out the call as it stands.
int rl_continue_call(int notifications, uint64_t id);
// The caller is still there and still waiting, so its pid and memory are still its own.
bool rl_call_is_pending(int notifications, uint64_t id);
// Puts our `source` in place of the caller's descriptor `target`, close-on-exec or not.
int rl_replace_descriptor(int notifications, uint64_t id, int source, int target, bool closes_on_exec);

// Adds `source` to another process' epoll, of which `epoll` is our copy, under the descriptor number that it has in
// that process. epoll(7) identifies an entry by its open file and that number, and the process must be able to change
// and remove the entry.
int rl_poll_as(int epoll, int source, int number, uint32_t events, uint64_t data);

// A pidfd of this thread, which may have a descriptor table of its own. Before Linux 6.9 it is -1 with errno EINVAL or
// ENOENT, unless the thread is the first one of its process.
int rl_open_thread(pid_t thread);
// kcmp(2): 1 if two threads have descriptor tables of their own, 0 if they share one, -1 with errno set.
int rl_differing_tables(pid_t one, pid_t other);
// pidfd_getfd(2).
int rl_take_descriptor(int pidfd, int descriptor);
// Reads another process' memory. Returns the number of bytes, or -1 with errno set.
ssize_t rl_read_memory(pid_t pid, uint64_t address, void *buffer, size_t size);

// Attaches a program to the reuseport group of `socket` that spreads new connections evenly over the members named by
// `indices`, in ascending order. The kernel numbers a group's members in the order in which they began to listen, and
// moves the last one into the place of one that leaves. `by_sender`: everything from one address and port goes to one
// member, as datagrams must, as long as the members stay the same.
int rl_steer(int socket, const uint32_t *indices, size_t count, bool by_sender);
// The maximum number of runs of consecutive indices for rl_steer.
enum { rl_steer_runs_max = 1000 };
// Makes the group choose no member, so that the kernel refuses new connections. Connections that are established, being
// set up or waiting to be accepted go on. Needs CAP_BPF and CAP_NET_ADMIN: -1 with errno EPERM without them.
int rl_steer_nowhere(int socket);
// Drops packets that open a connection (all packets of a datagram socket), so that their senders try again later.
// Connections that are established, being set up or waiting to be accepted go on.
int rl_refuse_connections(int socket, bool is_datagram);
// Ends rl_refuse_connections.
int rl_admit_connections(int socket);

// One TCP socket: TCP_INFO, TCP_QUICKACK and FIONREAD. Times are milliseconds ago, counted in the kernel's ticks.
struct rl_tcp {
    uint8_t state;               // TCP_ESTABLISHED …
    uint32_t queue;              // listening: connections that wait to be accepted; nothing below is set then
    uint64_t bytes_received;
    uint64_t bytes_unread;       // received, but not read by the program
    uint64_t bytes_sent;         // retransmitted bytes are not counted again
    uint64_t bytes_unsent;       // written, but not sent yet
    uint32_t segments_unacked;
    uint32_t sent_ago;
    uint32_t received_ago;
    uint32_t acked_ago;
    uint32_t round_trip;         // milliseconds
    uint32_t ack_delay;          // milliseconds until received data gets a bare acknowledgement
    uint32_t segments_in, segments_out, data_segments_in, data_segments_out;
    bool quick_ack;
};
int rl_tcp_state(int socket, struct rl_tcp *result);
