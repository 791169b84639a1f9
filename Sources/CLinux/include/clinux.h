// What Swift's Glibc module lacks: headers that it does not export, and small wrappers around what needs _GNU_SOURCE.
// Every wrapper returns what its system call returns, -1 with errno set on failure, unless it says otherwise.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/vfs.h>

#include "clinux_control.h"
#include "clinux_cpu.h"
#include "clinux_helper.h"
#include "clinux_probe.h"
#include "clinux_share.h"
#include "clinux_spawn.h"

// How a child ended, from waitid(2).
struct rl_exit {
    pid_t pid;       // 0: no child has ended
    bool signaled;   // killed by a signal; `status` is that signal
    bool core_dumped;
    int status;      // exit code or signal
};

// A child that job control has stopped (SIGSTOP and the like) or resumed.
struct rl_stop {
    pid_t pid;
    int signal;      // the signal that stopped it; 0: it was resumed
};

// Reaps the process of a pidfd. exit->pid is 0 if the process is still running.
int rl_reap_pidfd(int pidfd, struct rl_exit *exit);
// Looks at the process of a pidfd without reaping it.
int rl_peek_pidfd(int pidfd, struct rl_exit *exit);
// Looks at one ended child of this process without reaping it. exit->pid is 0 if none has ended, or none exists.
int rl_peek_child(struct rl_exit *exit);
// Finds the next child that was stopped or resumed since the last call. stop->pid is 0 if there is none. Each change is
// reported once.
int rl_next_stop_or_go_on(struct rl_stop *stop);
// Reaps the child `pid`, which rl_peek_child has just named.
int rl_reap_child(pid_t pid, struct rl_exit *exit);

// How the process of a pidfd has ended, be it a child or not (PIDFD_GET_INFO, Linux 6.15). The kernel knows once the
// parent of the process has reaped it, and keeps it as long as somebody has a pidfd. exit->pid is 0 if it does not say,
// and otherwise -1: the number may belong to another process by now.
int rl_exit_of_stranger(int pidfd, struct rl_exit *exit);
// pidfd_open(2); close-on-exec.
int rl_pidfd_open(pid_t pid);
// pidfd_send_signal(2).
int rl_signal(int pidfd, int signal);
// Sends a signal to the process group of `leader`, which must be a child that has not been reaped yet (so that the
// number is still its own).
int rl_signal_group(int pidfd, pid_t leader, int signal);
// Sends SIGKILL to that child itself, whatever group it is in, and then to the group. Fails if the first half fails.
int rl_kill_with_group(int pidfd, pid_t leader);

// Blocks the signals that the daemon reads from a descriptor, including those that it only reports as ignored; resets
// all other dispositions to the default (otherwise every worker would ignore what the parent ignored), ignores SIGPIPE
// and SIGXFSZ, and catches SIGHUP with a handler that does nothing, because the kernel then shows it as caught. Call it
// first thing in main.
int rl_take_signals(void);
// The same for a process that a daemon has become by exec: all is set already, but for what exec resets. Signals that
// wait are kept, which setting a disposition to the default would lose.
int rl_keep_signals(bool hangup_was_ignored);
// SIGHUP was ignored when rl_take_signals was called, as nohup(1) leaves it.
bool rl_hangup_was_ignored(void);
// A signalfd(2) for the signals that rl_take_signals blocks.
int rl_signal_descriptor(void);

int rl_pipe(int ends[2]);                       // close-on-exec; the read end does not block
int rl_memory_file(const char *name);            // memfd_create(2), close-on-exec; `name` is for people
int rl_seal_memory_file(int number);             // nothing can change it any more, not even who has made it
bool rl_is_sealed(int number);                   // it is a memory file that was sealed so
int rl_open_path(int directory, const char *path);  // openat(2) with O_PATH: pins the file without access to it
int rl_open_entry(int directory, const char *name); // the same for an entry of this name, even if it is a link
// Reads the POSIX access list of what is open as `number`, also by rl_open_path, as the kernel stores it. Returns its
// size; -1 with ENODATA if there is none. Needs /proc.
ssize_t rl_access_list(int number, void *buffer, size_t size);
bool rl_contains(const void *bytes, size_t count, const void *word, size_t word_count);  // memmem(3)
int rl_become_subreaper(void);                  // prctl(PR_SET_CHILD_SUBREAPER)
int rl_name_process(const char *name);           // prctl(PR_SET_NAME): at most 15 bytes count
int rl_file_descriptor_limit_raise(uint64_t *soft, uint64_t *hard);  // soft limit up to the hard one; returns the old

// SO_PASSRIGHTS off: whoever sends descriptors to this unix socket gets EPERM. ENOPROTOOPT before Linux 6.16.
int rl_refuse_descriptors(int socket);
// Receives one datagram with its sender's uid, UINT32_MAX if it is unknown. Descriptors that came with it are dropped
// by the kernel, which may wait for that: the last close of a lingering socket does.
ssize_t rl_receive_datagram(int socket, void *buffer, size_t size, uint32_t *uid);
// Sends one datagram to a unix socket address; a path that starts with '@' is abstract. Does not block.
ssize_t rl_send_datagram(int socket, const char *path, const void *bytes, size_t count);
// The same with a descriptor beside the bytes (SCM_RIGHTS).
ssize_t rl_send_with_descriptor(int socket, const char *path, const void *bytes, size_t count, int descriptor);
// bind(2) to such an address.
int rl_bind_datagram(int socket, const char *path);
// connect(2) to such an address: poll(2) knows only then whether its receiver has room.
int rl_connect_datagram(int socket, const char *path);

// The C library's message for an errno, in a buffer that lasts until the next call.
const char *rl_error_text(int number);
