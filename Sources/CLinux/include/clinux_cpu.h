// Which CPUs this process may use: sched_getaffinity(2) and its CPU_ macros need _GNU_SOURCE.
#pragma once

// Writes the numbers of the CPUs in this thread's affinity mask, up to `room` of them. Returns how many there are, or
// -1 with errno set.
int rl_affinity(int *cpus, int room);
