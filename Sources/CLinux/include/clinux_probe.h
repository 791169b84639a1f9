// Tries what a kernel, a container or a security module may lack, for `reloaderd doctor`. Each returns 0, or -1 with
// errno set: ENOSYS also if the kernel ignores what it does not know.
#pragma once

// A child that is started with CLONE_PIDFD, as workers are.
int rl_try_clone(void);
// PIDFD_GET_INFO has the exit status of a process that its parent has reaped (Linux 6.15).
int rl_try_exit_info(void);
// close_range(2), on numbers that no descriptor has.
int rl_try_close_range(void);
// A pidfd of a thread that is not the first one of its process (PIDFD_THREAD, Linux 6.9).
int rl_try_thread_pidfd(void);
