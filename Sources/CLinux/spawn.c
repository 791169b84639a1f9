// The code between clone and exec. The child shares our memory (CLONE_VM), so the cost does not grow with the daemon;
// and it runs beside us, because another process may hold it up for as long as it likes: it can stop the child as soon
// as that has taken on its user, and a file server that is gone never finds the program.
//
// So the child has a mapping of its own: its stack, all that it reads, and all that it writes. It makes bare system
// calls and touches nothing else of ours, neither errno nor any lock. What it has done so far stands in the mapping; a
// note on a unix socket says that it needs our descriptors no longer, and the end of that socket that it has executed
// its program, or ended.
#define _GNU_SOURCE
#include "child.h"
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    stack_size = 16 * 1024,     // the child's functions need less than 1 KiB, and more with a sanitizer
    descriptors_max = 1024,
    extra_descriptors_max = 3,  // the directory, the channel and the executable
};

// At the upper end of the mapping. Below it are the stack and a page that nobody may touch.
struct rl_start {
    struct rl_spawn_request request;  // its pointers lead into the mapping
    void *mapping;
    size_t size;
    int *places;                      // places[i] becomes descriptor i
    int highest;                      // the highest number that the child needs
    struct note note;
    cpu_set_t cpus;
    struct __user_cap_header_struct header;
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    // Written by the child.
    enum rl_stage stage;
    int error;
    bool has_own_descriptors;
};

static void write_decimal(char *text, unsigned value) {
    unsigned place = 1;
    while (value / place >= 10) place *= 10;
    for (; place > 0; place /= 10) *text++ = (char)('0' + value / place % 10);
    *text = 0;
}

void prepare_note(struct note *note) {
    *note = (struct note){.piece = {&note->byte, 1}};
    note->message = (struct msghdr){.msg_iov = &note->piece, .msg_iovlen = 1, .msg_control = note->control};
    struct cmsghdr *header = (void *)note->control;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
}

long send_note(struct note *note, int channel, int descriptor) {
    struct cmsghdr *header = (void *)note->control;
    *(int *)(void *)CMSG_DATA(header) = descriptor;
    note->message.msg_controllen = descriptor < 0 ? 0 : sizeof note->control;
    long result = bare(SYS_sendmsg, channel, address_of(&note->message), MSG_NOSIGNAL);
    return result < 0 ? result : 0;
}

// The child begins with our own descriptor table and copies only the part that it needs, which we keep at the low
// numbers. Copying all of the table, and closing it at exec, would cost more with every worker (with 4,000 descriptors
// of 1,000 workers: as much as half of the whole start).
static long unshare_descriptors(const struct rl_start *start) {
    if (bare(SYS_close_range, start->highest + 1, ~0U, CLOSE_RANGE_UNSHARE) == 0) return 0;
    return bare(SYS_unshare, CLONE_FILES);  // before Linux 5.9
}

// Puts places[i] at number i. Descriptors that lie in the way of others are first moved above all targets.
static long place_descriptors(const struct rl_start *start, int count) {
    int *places = start->places;
    int kept = start->request.descriptor_count;
    if (kept > descriptors_max) return -E2BIG;
    for (int i = 0; i < count; i++) {
        if (places[i] >= count || places[i] == i) continue;
        long moved = bare(SYS_fcntl, places[i], F_DUPFD_CLOEXEC, count);
        if (moved < 0) return moved;
        places[i] = (int)moved;
    }
    for (int i = 0; i < count; i++) {
        bool closes = i >= kept;
        long result = places[i] == i ? bare(SYS_fcntl, i, F_SETFD, closes ? FD_CLOEXEC : 0)
                                     : bare(SYS_dup3, places[i], i, closes ? O_CLOEXEC : 0);
        if (result < 0) return result;
    }
    return 0;
}

// Nothing else may stay open until exec, close-on-exec or not: what another start waits for is the end of its channel,
// and a copy that a child holds which is stuck in a later step would keep that from coming.
static long close_others(const struct rl_start *start, int count) {
    long result = bare(SYS_close_range, count, ~0U, 0);
    if (result != -ENOSYS) return result;
    for (int i = count; i <= start->highest; i++) bare(SYS_close, i);  // EBADF: it was not open
    return 0;
}

static long set_limits(const struct rl_spawn_request *request) {
    for (int i = 0; i < request->limit_count; i++) {
        // The kernel's structure is these two.
        const struct rl_limit *limit = &request->limits[i];
        long result = bare(SYS_prlimit64, 0, limit->resource, address_of(&limit->soft), 0);
        if (result < 0) return result;
    }
    return 0;
}

// Removes the capabilities that a set-user-ID step leaves: a later exec of a file with capabilities could take them up
// again. Ambient capabilities go with them.
static long drop_inheritable_capabilities(struct rl_start *start) {
    long result = bare(SYS_capget, address_of(&start->header), address_of(start->data));
    if (result < 0) return result;
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) start->data[i].inheritable = 0;
    return bare(SYS_capset, address_of(&start->header), address_of(start->data));
}

// Our dispositions are all default except for these three, see rl_take_signals. No handler of ours may run in the
// child, where it would run on our memory.
static long reset_signals(void) {
    static const int changed[] = {SIGPIPE, SIGXFSZ, SIGHUP};
    static const unsigned long defaults[8];  // all zero is SIG_DFL in the kernel's structure on every architecture
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++) {
        long result = bare(SYS_rt_sigaction, changed[i], address_of(defaults), 0, _NSIG / 8);
        if (result < 0) return result;
    }
    return 0;
}

static long change_user(struct rl_start *start) {
    const struct rl_spawn_request *request = &start->request;
    // The kernel forbids now what all processes of a user may do with each other, because our memory is not the user's:
    // to trace this one, or to read and write its memory and descriptors. Without the right to dump core, it also
    // cannot be made to (fs.suid_dumpable=2), which would end us as well before Linux 5.16.
    long result = bare(SYS_setresuid, request->user, request->user, request->user);
    return result < 0 ? result : bare(SYS_prctl, PR_SET_DUMPABLE, 0);
}

#define STEP(name, ...)                                                        \
    do {                                                                       \
        __atomic_store_n(&start->stage, rl_stage_##name, __ATOMIC_RELEASE);    \
        long step_result = (__VA_ARGS__);                                      \
        if (step_result < 0) return step_result;                               \
    } while (0)

// The set-up steps, in order, and exec. All signals are blocked. Returns -errno of the step that failed.
static long set_up(struct rl_start *start) {
    const struct rl_spawn_request *request = &start->request;
    int directory = request->descriptor_count, channel = directory + 1, executable = directory + 2;
    int count = executable + (request->executable >= 0);
    STEP(descriptors, unshare_descriptors(start));
    STEP(descriptors, place_descriptors(start, count));
    STEP(descriptors, close_others(start, count));
    __atomic_store_n(&start->has_own_descriptors, true, __ATOMIC_RELEASE);
    // This comes before the user changes: with root's rights the filter costs the program none of its own rights.
    long notifications = -1;
    if (request->reports_calls) STEP(filter, notifications = report_calls());
    STEP(descriptors, send_note(&start->note, channel, (int)notifications));
    if (notifications >= 0) bare(SYS_close, notifications);
    // The child gets no controlling terminal and leaves the daemon's session: it can neither own the terminal that the
    // daemon was started from, nor be stopped by it, nor write into its input (TIOCSTI).
    STEP(session, bare(SYS_setsid));
    STEP(directory, bare(SYS_fchdir, directory));
    if (request->mask >= 0) bare(SYS_umask, request->mask);
    STEP(limits, set_limits(request));
    if (request->sets_nice) STEP(nice, bare(SYS_setpriority, PRIO_PROCESS, 0, request->nice));
    if (request->cpu >= 0)
        STEP(affinity, bare(SYS_sched_setaffinity, 0, sizeof start->cpus, address_of(&start->cpus)));
    STEP(signals, reset_signals());
    if (request->pid_text) write_decimal(request->pid_text, (unsigned)bare(SYS_getpid));
    if (request->sets_user) {
        STEP(capabilities, drop_inheritable_capabilities(start));
        STEP(groups, bare(SYS_setgroups, request->group_count, address_of(request->groups)));
        STEP(group_id, bare(SYS_setresgid, request->group, request->group, request->group));
        STEP(user_id, change_user(start));
    }
    static const uint64_t none;
    STEP(signals, bare(SYS_rt_sigprocmask, SIG_SETMASK, address_of(&none), 0, _NSIG / 8));
    const long arguments = address_of(request->arguments), environment = address_of(request->environment);
    if (request->executable >= 0)
        STEP(exec, bare(SYS_execveat, executable, address_of(""), arguments, environment, AT_EMPTY_PATH));
    else
        STEP(exec, bare(SYS_execve, address_of(request->path), arguments, environment));
    return 0;
}

static int child_main(void *argument) {
    struct rl_start *start = argument;
    __atomic_store_n(&start->error, (int)-set_up(start), __ATOMIC_RELEASE);
    return 127;  // clone(2) makes it the exit status
}

// MARK: what we do before

static size_t rounded(size_t size) { return (size + 15) & ~(size_t)15; }

// Takes the next bytes of the mapping.
static void *take(char **next, size_t size) {
    char *taken = *next;
    *next += rounded(size);
    return taken;
}

static void *copy(char **next, const void *bytes, size_t size) {
    return size == 0 ? *next : memcpy(take(next, size), bytes, size);
}

// How much room copy_strings takes.
static size_t size_of_strings(char *const *strings) {
    size_t count = 0, size = 0;
    for (; strings[count]; count++) size += rounded(strlen(strings[count]) + 1);
    return size + rounded((count + 1) * sizeof *strings);
}

// `place` points into one of the strings, and into its copy afterwards.
static char **copy_strings(char **next, char *const *strings, char **place) {
    size_t count = 0;
    while (strings[count]) count++;
    char **copies = take(next, (count + 1) * sizeof *strings);
    char *wanted = place ? *place : NULL;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(strings[i]) + 1;
        copies[i] = copy(next, strings[i], size);
        uintptr_t offset = (uintptr_t)wanted - (uintptr_t)strings[i];
        if (wanted && offset < size) *place = copies[i] + offset;
    }
    copies[count] = NULL;
    return copies;
}

static int highest_number(const struct rl_spawn_request *request) {
    int highest = request->directory;
    if (request->executable > highest) highest = request->executable;
    if (request->channel > highest) highest = request->channel;
    for (int i = 0; i < request->descriptor_count; i++)
        if (request->descriptors[i] > highest) highest = request->descriptors[i];
    return highest;
}

// Maps the child's stack and a copy of the whole request.
static struct rl_start *make_start(const struct rl_spawn_request *request) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t descriptors = (size_t)request->descriptor_count + extra_descriptors_max;
    size_t path = request->path ? strlen(request->path) + 1 : 0;
    size_t limits = (size_t)request->limit_count * sizeof *request->limits;
    size_t groups = (size_t)request->group_count * sizeof *request->groups;
    size_t contents = rounded(sizeof(struct rl_start)) + rounded(descriptors * sizeof(int)) + rounded(path) +
                      rounded(limits) + rounded(groups) + size_of_strings(request->arguments) +
                      size_of_strings(request->environment);
    contents = (contents + page - 1) & ~(page - 1);
    size_t size = page + stack_size + contents;
    char *mapping = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (mapping == MAP_FAILED) return NULL;
    if (mprotect(mapping + page, size - page, PROT_READ | PROT_WRITE) < 0) {
        int error = errno;
        munmap(mapping, size);
        return errno = error, NULL;
    }
    char *next = mapping + page + stack_size;
    struct rl_start *start = take(&next, sizeof *start);
    start->request = *request;
    start->mapping = mapping;
    start->size = size;
    start->highest = highest_number(request);
    start->places = take(&next, descriptors * sizeof(int));
    memcpy(start->places, request->descriptors, (size_t)request->descriptor_count * sizeof(int));
    start->places[request->descriptor_count] = request->directory;
    start->places[request->descriptor_count + 1] = request->channel;
    start->places[request->descriptor_count + 2] = request->executable;
    start->request.path = copy(&next, request->path, path);
    start->request.limits = copy(&next, request->limits, limits);
    start->request.groups = copy(&next, request->groups, groups);
    start->request.arguments = copy_strings(&next, request->arguments, NULL);
    start->request.environment = copy_strings(&next, request->environment, &start->request.pid_text);
    prepare_note(&start->note);
    start->header.version = _LINUX_CAPABILITY_VERSION_3;
    if (request->cpu >= 0) CPU_SET((size_t)request->cpu, &start->cpus);
    return start;
}

struct rl_start *rl_start(const struct rl_spawn_request *request, pid_t *pid, int *pidfd) {
    struct rl_start *start = make_start(request);
    if (!start) return NULL;
    // With the C library's wrapper, the two signals that it reserves for itself would not be blocked.
    const uint64_t all = ~(uint64_t)0;
    uint64_t before;
    int error = 0;
    if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, _NSIG / 8) < 0) {
        error = errno;
    } else {
        int flags = CLONE_VM | CLONE_FILES | CLONE_PIDFD | SIGCHLD;
        *pid = clone(child_main, start, flags, start, pidfd);  // the stack ends where `start` begins
        if (*pid < 0) error = errno;
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, _NSIG / 8);  // fails only for a bad address
    }
    if (error == 0) return start;
    rl_free_start(start);
    return errno = error, NULL;
}

struct rl_start_state rl_look_at_start(const struct rl_start *start) {
    // The error first: the stage does not change after it.
    int error = __atomic_load_n(&start->error, __ATOMIC_ACQUIRE);
    return (struct rl_start_state){
        .stage = __atomic_load_n(&start->stage, __ATOMIC_ACQUIRE),
        .error = error,
        .has_own_descriptors = __atomic_load_n(&start->has_own_descriptors, __ATOMIC_ACQUIRE),
    };
}

int rl_free_start(struct rl_start *start) { return munmap(start->mapping, start->size); }

ssize_t rl_receive_note(int channel, int *descriptor) {
    char byte;
    struct iovec piece = {&byte, 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_LEN(sizeof(int))};
    *descriptor = -1;
    ssize_t count = recvmsg(channel, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (count <= 0) return count;
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    if (part && part->cmsg_type == SCM_RIGHTS) memcpy(descriptor, CMSG_DATA(part), sizeof *descriptor);
    return count;
}
