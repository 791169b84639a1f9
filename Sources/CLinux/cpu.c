#define _GNU_SOURCE
#include "clinux_cpu.h"

#include <errno.h>
#include <sched.h>

int rl_affinity(int *cpus, int room) {
    // The kernel refuses a set that is smaller than its own: 1024 CPUs are enough on nearly all machines, 65536 on all.
    for (int size = 1024; size <= 65536; size *= 4) {
        cpu_set_t *set = CPU_ALLOC(size);
        if (!set) return -1;
        size_t bytes = CPU_ALLOC_SIZE(size);
        int result = sched_getaffinity(0, bytes, set);
        int error = errno;
        int count = 0;
        for (int cpu = 0; result == 0 && cpu < size; cpu++) {
            if (!CPU_ISSET_S((size_t)cpu, bytes, set)) continue;
            if (count < room) cpus[count] = cpu;
            count++;
        }
        CPU_FREE(set);
        if (result == 0) return count;
        errno = error;
        if (error != EINVAL) return -1;
    }
    return -1;
}
