// The helper: a process of our own that touches what belongs to workers.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// Sends one packet with descriptors over a SOCK_SEQPACKET socket. Does not block if not `waits`.
int rl_send_packet(int channel, const void *bytes, size_t count, const int *descriptors, size_t descriptor_count,
                   bool waits);
// Receives one packet and the descriptors that came with it, which are close-on-exec; at most
// rl_packet_descriptors_max. Returns its size, 0 at the end of the stream, or -1 with errno set: EMSGSIZE if it did not
// fit. Descriptors for which this process has no room are left out.
ssize_t rl_receive_packet(int channel, void *buffer, size_t size, int *descriptors, size_t *descriptor_count,
                          bool waits);
// The same without waiting, and -1 with EMFILE if descriptors were lost because this process may not have that many.
ssize_t rl_receive_whole_packet(int channel, void *buffer, size_t size, int *descriptors, size_t *descriptor_count);
enum { rl_packet_descriptors_max = 253 };  // SCM_MAX_FD

// Takes from the calling process all that the helper does not need: signals have no effect, it ends with its parent, it
// has no capabilities but those that reach workers and bind their ports (or keeps all, if CAP_SYS_PTRACE is not among
// them), gains none by exec, and may make only the system calls that it is known to make (all others fail with EPERM).
// `name` becomes the process' short name.
int rl_confine_helper(const char *name);

// Tests whether a child of this process may look at another child. Returns 0, or -1 with errno set.
int rl_try_sibling(void);
