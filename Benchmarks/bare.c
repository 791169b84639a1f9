// What restarting a program costs at the very least: waitid, vfork, exec, over and over. Ends with its parent.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **words) {
    if (count < 2) return 64;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        pid_t child = vfork();
        if (child < 0) return 1;
        if (child == 0) {
            execv(words[1], words + 1);
            _exit(127);
        }
        siginfo_t end;
        if (waitid(P_PID, (id_t)child, &end, WEXITED) < 0) return 1;
        if (end.si_code == CLD_EXITED) return 1;  // it could not be executed, or has given up
    }
}
