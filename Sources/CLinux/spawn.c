// The code between clone and exec. The child shares the parent's memory (CLONE_VM) while the parent is suspended
// (CLONE_VFORK): the cost does not grow with the parent, and a failure is reported by writing it where the parent
// reads. In return the child may only make system calls: no allocation, no locks, no stdio, nothing that touches the
// parent's state.
#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { stack_size = 32 * 1024, descriptors_max = 1024 };

struct child {
    const struct rl_spawn_request *request;
    volatile enum rl_stage stage;
    volatile int error;
};

static void write_decimal(char *text, unsigned value) {
    char digits[20];
    int count = 0;
    do digits[count++] = (char)('0' + value % 10);
    while (value /= 10);
    while (count > 0) *text++ = digits[--count];
    *text = 0;
}

// The child begins with the parent's own descriptor table and copies only the part that it needs, which the parent
// keeps at the low numbers. Copying all of the table, and closing it at exec, would cost more with every worker (with
// 4,000 descriptors of 1,000 workers: as much as half of the whole start).
static int unshare_descriptors(const struct rl_spawn_request *request) {
    int highest = request->directory;
    if (request->executable > highest) highest = request->executable;
    if (request->listen_channel > highest) highest = request->listen_channel;
    for (int i = 0; i < request->descriptor_count; i++)
        if (request->descriptors[i] > highest) highest = request->descriptors[i];
    if (syscall(SYS_close_range, highest + 1, ~0U, CLOSE_RANGE_UNSHARE) == 0) return 0;
    return unshare(CLONE_FILES);  // before Linux 5.9
}

// Puts descriptors[i] at number i. Descriptors that lie in the way of others are first moved above all targets.
static int place_descriptors(const struct rl_spawn_request *request) {
    int sources[descriptors_max];
    int count = request->descriptor_count;
    if (count > descriptors_max) return errno = E2BIG, -1;
    for (int i = 0; i < count; i++) {
        sources[i] = request->descriptors[i];
        if (sources[i] >= count || sources[i] == i) continue;
        sources[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, count);
        if (sources[i] < 0) return -1;
    }
    for (int i = 0; i < count; i++) {
        if (sources[i] == i) {
            if (fcntl(i, F_SETFD, 0) < 0) return -1;
        } else if (dup2(sources[i], i) < 0) {
            return -1;
        }
    }
    // All of our descriptors are close-on-exec already; this is the second fence, for any that we have inherited
    // unknowingly.
    if (syscall(SYS_close_range, count, ~0U, CLOSE_RANGE_CLOEXEC) < 0 && errno != ENOSYS && errno != EINVAL) return -1;
    return 0;
}

static int set_limits(const struct rl_spawn_request *request) {
    for (int i = 0; i < request->limit_count; i++) {
        struct rlimit limit = {request->limits[i].soft, request->limits[i].hard};
        if (setrlimit((int)request->limits[i].resource, &limit) < 0) return -1;
    }
    return 0;
}

static int set_affinity(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    return sched_setaffinity(0, sizeof set, &set);
}

// Removes the capabilities that a set-user-ID step leaves: a later exec of a file with capabilities could take them up
// again. Ambient capabilities go with them.
static int drop_inheritable_capabilities(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, data) < 0) return -1;
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) data[i].inheritable = 0;
    return (int)syscall(SYS_capset, &header, data);
}

static int reset_signals(void) {
    // The daemon's own dispositions are all default except for SIGPIPE, SIGXFSZ and handlers, and exec resets handlers.
    struct sigaction action = {.sa_handler = SIG_DFL};
    if (sigaction(SIGPIPE, &action, NULL) < 0 || sigaction(SIGXFSZ, &action, NULL) < 0) return -1;
    sigset_t none;
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

// The set-up steps, in order. User and group ids are set by bare system calls, because the C library's wrappers would
// signal threads that don't exist here.
static enum rl_stage set_up(const struct rl_spawn_request *request) {
    if (unshare_descriptors(request) < 0) return rl_stage_descriptors;
    // The child gets no controlling terminal and leaves the daemon's session: it can neither own the terminal that the
    // daemon was started from, nor be stopped by it, nor write into its input (TIOCSTI).
    if (setsid() < 0) return rl_stage_session;
    if (fchdir(request->directory) < 0) return rl_stage_directory;
    // From here on the numbers below descriptor_count are the worker's.
    int executable = request->executable;
    if (executable >= 0 && executable < request->descriptor_count)
        executable = fcntl(executable, F_DUPFD_CLOEXEC, request->descriptor_count);
    if (request->executable >= 0 && executable < 0) return rl_stage_descriptors;
    int channel = request->listen_channel;
    if (channel >= 0 && channel < request->descriptor_count)
        channel = fcntl(channel, F_DUPFD_CLOEXEC, request->descriptor_count);
    if (request->listen_channel >= 0 && channel < 0) return rl_stage_descriptors;
    if (place_descriptors(request) < 0) return rl_stage_descriptors;
    if (request->mask >= 0) umask((mode_t)request->mask);
    if (set_limits(request) < 0) return rl_stage_limits;
    if (request->sets_nice && setpriority(PRIO_PROCESS, 0, request->nice) < 0) return rl_stage_nice;
    if (request->cpu >= 0 && set_affinity(request->cpu) < 0) return rl_stage_affinity;
    // This comes before the user changes: with root's rights the filter costs the program none of its own rights.
    if (channel >= 0 && rl_report_listeners(channel) < 0) return rl_stage_filter;
    if (request->sets_user) {
        if (drop_inheritable_capabilities() < 0) return rl_stage_capabilities;
        if (syscall(SYS_setgroups, request->group_count, request->groups) < 0) return rl_stage_groups;
        if (syscall(SYS_setresgid, request->group, request->group, request->group) < 0) return rl_stage_group_id;
        if (syscall(SYS_setresuid, request->user, request->user, request->user) < 0) return rl_stage_user_id;
    }
    if (request->pid_text) write_decimal(request->pid_text, (unsigned)getpid());
    if (reset_signals() < 0) return rl_stage_signals;
    if (executable >= 0)
        syscall(SYS_execveat, executable, "", request->arguments, request->environment, AT_EMPTY_PATH);
    else
        execve(request->path, request->arguments, request->environment);
    return rl_stage_exec;
}

static int child_main(void *argument) {
    struct child *child = argument;
    child->stage = set_up(child->request);
    child->error = errno;
    _exit(127);
}

int rl_spawn(const struct rl_spawn_request *request, struct rl_spawn_result *result) {
    static _Thread_local char stack[stack_size] __attribute__((aligned(16)));
    struct child child = {request, rl_stage_none, 0};
    *result = (struct rl_spawn_result){-1, -1, rl_stage_none, 0};

    // No signal handler of ours may run in the child, where it would run on our memory.
    sigset_t all, before;
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, &before) < 0) {
        *result = (struct rl_spawn_result){-1, -1, rl_stage_signals, errno};
        return -1;
    }
    int pidfd = -1;
    int flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD | SIGCHLD;
    pid_t pid = clone(child_main, stack + stack_size, flags, &child, &pidfd);
    int error = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);

    if (pid < 0) {
        result->stage = rl_stage_clone;
        result->error = error;
        return -1;
    }
    if (child.stage != rl_stage_none) {
        struct rl_exit exit;
        rl_reap_child(pid, &exit);
        close(pidfd);
        result->stage = child.stage;
        result->error = child.error;
        return -1;
    }
    result->pid = pid;
    result->pidfd = pidfd;
    return 0;
}
