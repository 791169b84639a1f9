#define _GNU_SOURCE
#include "clinux_cpu.h"

#include <errno.h>
#include <sched.h>

int rl_affinity_count(void) {
    // The kernel refuses a set that is smaller than its own: 1024 CPUs do on nearly all machines, 65536 on all.
    for (int cpus = 1024; cpus <= 65536; cpus *= 4) {
        cpu_set_t *set = CPU_ALLOC(cpus);
        if (!set) return -1;
        size_t size = CPU_ALLOC_SIZE(cpus);
        int result = sched_getaffinity(0, size, set);
        int count = result == 0 ? CPU_COUNT_S(size, set) : -1;
        int error = errno;
        CPU_FREE(set);
        if (count >= 0) return count;
        errno = error;
        if (error != EINVAL) return -1;
    }
    return -1;
}
