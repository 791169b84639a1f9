// Starting a process: what happens between clone and exec.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// The steps of a child's set-up, in the order in which they are taken.
enum rl_stage {
    rl_stage_none,
    rl_stage_clone,
    rl_stage_descriptors,
    rl_stage_filter,
    rl_stage_session,
    rl_stage_directory,
    rl_stage_limits,
    rl_stage_nice,
    rl_stage_affinity,
    rl_stage_signals,
    rl_stage_capabilities,
    rl_stage_groups,
    rl_stage_group_id,
    rl_stage_user_id,
    rl_stage_exec,
};

struct rl_limit {
    uint32_t resource;
    uint64_t soft, hard;
};

struct rl_spawn_request {
    const char *path;           // executed when executable < 0
    int executable;             // executed by execveat(2) when >= 0
    char *const *arguments;     // NULL-terminated
    char *const *environment;   // NULL-terminated
    char *pid_text;             // NULL, or the place in `environment` where the child writes its PID: 20 digits,
                                // padded with NUL
    int directory;              // becomes the working directory
    const int *descriptors;     // descriptors[i] becomes descriptor i
    int descriptor_count;
    int mask;                   // umask(2), or -1
    const struct rl_limit *limits;
    int limit_count;
    bool sets_nice;
    int nice;
    int cpu;                    // the only CPU to run on, or -1
    int channel;                // the child's end of a unix stream socket pair; see rl_receive_note
    bool reports_calls;         // the program's calls of bind(2) and listen(2) are reported, see rl_next_call
    bool sets_user;
    uint32_t user, group;
    const uint32_t *groups;
    int group_count;
};

// One start, from clone(2) until the program is executed or the child is gone.
struct rl_start;

// How far the child has come.
struct rl_start_state {
    enum rl_stage stage;        // the step that it is in, or was in when it failed or ended
    int error;                  // errno of the step that failed; 0: none has
    bool has_own_descriptors;   // it needs those of the request no longer
};

// Starts a child that sets itself up and executes the program while we go on. The pidfd is close-on-exec. All of the
// request that is memory is copied; its descriptors must stay open until the child has its own. NULL with errno set if
// there is no child.
struct rl_start *rl_start(const struct rl_spawn_request *request, pid_t *pid, int *pidfd);
struct rl_start_state rl_look_at_start(const struct rl_start *start);
// Frees what the child reads and writes, its stack included. To be called once the child has executed its program or
// has ended, and not before.
int rl_free_start(struct rl_start *start);
// Receives on our end of the channel: 1 when the child has its own descriptors, with the one to which its calls will be
// reported, or -1; 0 when it has executed its program or ended; -1 with errno set, EAGAIN if there is no news.
ssize_t rl_receive_note(int channel, int *descriptor);
