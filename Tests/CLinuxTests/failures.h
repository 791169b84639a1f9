// A table of functions, the system call that fails in each, and what the function must make of it.
#pragma once

#include "clinux.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

enum { faults_max = 4 };

struct fault {
    long call;
    const char *name;
    int error;       // the call's errno; 0: no fault
    int argument;    // the call fails only if this argument is `value`; -1: whatever its arguments
    unsigned value;
};

// What a function may need, open before the fault.
struct scene {
    int pair[2];        // a unix stream pair with SO_PASSCRED
    int datagrams[2];   // a datagram pair
    int listener;       // a TCP socket that listens on the loopback interface
    int udp;
    int epoll;
    int directory;      // "/"
    int null;           // /dev/null
    int pidfd;          // this process
};

struct outcome {
    long result;
    int error;
};

struct row {
    const char *name;
    struct outcome (*run)(struct scene *);
    struct fault faults[faults_max];
    long result;
    int error;          // 0: not looked at
};

extern const struct row rows[];
extern const size_t row_count;

struct scene set_scene(void);
// Waits until the child has executed its program or has ended: the second alone is seen unless our own end of its
// channel `closes` when it needs that no longer. An error of EPROTO means that it never said so.
struct rl_start_state follow(const struct rl_start *start, int channel[2], int pidfd, bool closes);
// What the functions do when nothing fails, and with bad input. Returns how many checks failed.
int try_without_faults(void);
