// The daemon's signals: blocked, and read from a descriptor.
#define _GNU_SOURCE
#include "clinux.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int handled[] = {SIGHUP,  SIGTERM, SIGINT,  SIGQUIT,  SIGUSR1,
                              SIGUSR2, SIGTTIN, SIGTTOU, SIGWINCH, SIGCHLD};

static void fill_handled(sigset_t *set) {
    sigemptyset(set);
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++) sigaddset(set, handled[i]);
}

static void do_nothing(int signal) { (void)signal; }

int rl_take_signals(void) {
    sigset_t set;
    fill_handled(&set);
    if (sigprocmask(SIG_SETMASK, &set, NULL) < 0) return -1;
    // By the bare system call, since sigaction(3) refuses two signals that the C library keeps for itself, and that our
    // parent may ignore like any other. All zero is SIG_DFL in the kernel's structure of every architecture.
    static const unsigned long defaults[8];
    for (int number = 1; number <= SIGRTMAX; number++)
        if (number != SIGKILL && number != SIGSTOP && syscall(SYS_rt_sigaction, number, defaults, NULL, _NSIG / 8) < 0) return -1;
    struct sigaction action = {.sa_handler = SIG_IGN};
    if (sigaction(SIGPIPE, &action, NULL) < 0) return -1;
    action.sa_handler = do_nothing;
    action.sa_flags = SA_RESTART;
    return sigaction(SIGHUP, &action, NULL);
}

int rl_signal_descriptor(void) {
    sigset_t set;
    fill_handled(&set);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}
