// Which CPUs this process may use: sched_getaffinity(2) and its CPU_ macros need _GNU_SOURCE.
#pragma once

// The number of CPUs in this thread's affinity mask, or -1 with errno set.
int rl_affinity_count(void);
