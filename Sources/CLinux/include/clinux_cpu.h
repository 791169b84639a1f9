// Which CPUs this process may use: sched_getaffinity(2) and its CPU_ macros need _GNU_SOURCE.
#pragma once

// Writes the numbers of the CPUs in this thread's affinity mask, as many as there is room for, and returns how many
// there are; -1 with errno set.
int rl_affinity(int *cpus, int room);
