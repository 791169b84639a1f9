// The daemon's signals: blocked, and read from a descriptor.
#define _GNU_SOURCE
#include "clinux.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int meaningful[] = {SIGHUP,  SIGTERM, SIGINT,  SIGQUIT,  SIGUSR1,
                                 SIGUSR2, SIGTTIN, SIGTTOU, SIGWINCH, SIGCHLD};
// These would end the daemon by default and leave its workers without a supervisor, and they are only sent by mistake.
// The same holds for the real-time signals. What remains: KILL, STOP, TSTP (from a terminal), and those that report an
// error of our own.
static const int stray[] = {SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT};

static void fill_handled(sigset_t *set) {
    sigemptyset(set);
    for (size_t i = 0; i < sizeof meaningful / sizeof *meaningful; i++) sigaddset(set, meaningful[i]);
    for (size_t i = 0; i < sizeof stray / sizeof *stray; i++) sigaddset(set, stray[i]);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++) sigaddset(set, number);
}

static bool hangup_was_ignored;

bool rl_hangup_was_ignored(void) { return hangup_was_ignored; }

static void do_nothing(int signal) { (void)signal; }

static int catch_hangup(void) {
    struct sigaction action = {.sa_handler = do_nothing, .sa_flags = SA_RESTART};
    return sigaction(SIGHUP, &action, NULL);
}

int rl_take_signals(void) {
    sigset_t set;
    fill_handled(&set);
    if (sigprocmask(SIG_SETMASK, &set, NULL) < 0) return -1;
    struct sigaction before;
    if (sigaction(SIGHUP, NULL, &before) < 0) return -1;
    hangup_was_ignored = before.sa_handler == SIG_IGN;
    // This uses the bare system call, because sigaction(3) refuses two signals that the C library reserves for itself
    // and that our parent may have ignored like any other. All zero is SIG_DFL in the kernel's structure on every
    // architecture.
    static const unsigned long defaults[8];
    for (int number = 1; number <= SIGRTMAX; number++)
        if (number != SIGKILL && number != SIGSTOP &&
            syscall(SYS_rt_sigaction, number, defaults, NULL, _NSIG / 8) < 0)
            return -1;
    struct sigaction action = {.sa_handler = SIG_IGN};
    if (sigaction(SIGPIPE, &action, NULL) < 0) return -1;
    // A log file that may not grow any further (ulimit -f) should cause a failed write, not the end of the daemon.
    if (sigaction(SIGXFSZ, &action, NULL) < 0) return -1;
    return catch_hangup();
}

int rl_keep_signals(bool was_ignored) {
    sigset_t set;
    fill_handled(&set);
    if (sigprocmask(SIG_SETMASK, &set, NULL) < 0) return -1;
    hangup_was_ignored = was_ignored;
    return catch_hangup();
}

int rl_signal_descriptor(void) {
    sigset_t set;
    fill_handled(&set);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}
