// Starting a process: what happens between clone and exec.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// The step at which a child's set-up failed, in the order in which the steps are taken.
enum rl_stage {
    rl_stage_none,
    rl_stage_clone,
    rl_stage_session,
    rl_stage_directory,
    rl_stage_descriptors,
    rl_stage_limits,
    rl_stage_nice,
    rl_stage_affinity,
    rl_stage_filter,
    rl_stage_capabilities,
    rl_stage_groups,
    rl_stage_group_id,
    rl_stage_user_id,
    rl_stage_signals,
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
    int listen_channel;         // where rl_report_listeners sends its descriptor, or -1
    bool sets_user;
    uint32_t user, group;
    const uint32_t *groups;
    int group_count;
};

struct rl_spawn_result {
    pid_t pid;
    int pidfd;                  // close-on-exec
    enum rl_stage stage;        // rl_stage_none: the program was executed
    int error;                  // errno of the stage
};

// Starts the child and waits until it has executed its program or failed to. A child that failed is reaped here.
// Returns 0, or -1 with result->stage and result->error set.
int rl_spawn(const struct rl_spawn_request *request, struct rl_spawn_result *result);
