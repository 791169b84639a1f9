// Every function of CLinux with each of its system calls failing, under the address and undefined-behaviour sanitizers.
// The call fails by a seccomp filter in a child process, so that no special kernel, program or right is needed. A row
// passes if the function reports the failure as its header promises, and leaves no descriptor behind.
#define _GNU_SOURCE
#include "failures.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { descriptors_looked_at = 256 };

// Lets all calls named in `faults` fail; the last of them first, so that an earlier one can be narrower.
static void inject(const struct fault *faults, size_t count) {
    struct sock_filter filter[8 * faults_max + 2];
    unsigned short length = 0;
#define PUT(...) filter[length++] = (struct sock_filter)__VA_ARGS__
    for (size_t i = 0; i < count; i++) {
        const struct fault *fault = &faults[i];
        unsigned char skip = fault->argument < 0 ? 1 : 3;
        PUT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
        PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)fault->call, 0, skip));
        if (fault->argument >= 0) {
            // The low half: the arguments that are told apart are ints.
            unsigned place = offsetof(struct seccomp_data, args) + 8 * (unsigned)fault->argument;
            PUT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, place));
            PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, fault->value, 0, 1));
        }
        PUT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)fault->error));
    }
    PUT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
#undef PUT
    struct sock_fprog program = {length, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
        perror("cannot put the filter on");
        _exit(2);
    }
}

// Looked at by fstat(2), which no row lets fail.
static void note_open(bool open[descriptors_looked_at]) {
    struct stat status;
    for (int i = 0; i < descriptors_looked_at; i++) open[i] = fstat(i, &status) == 0;
}

// In a child of its own: a filter stays for life.
static int run_row(const struct row *row) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) return perror("fork"), 1;
    if (pid == 0) {
        bool before[descriptors_looked_at], after[descriptors_looked_at];
        struct scene scene = set_scene();
        size_t count = 0;
        while (count < faults_max && row->faults[count].error) count++;
        note_open(before);
        inject(row->faults, count);
        errno = 0;
        struct outcome outcome = row->run(&scene);
        note_open(after);
        int failed = 0;
        if (outcome.result != row->result || (row->error && outcome.error != row->error)) {
            fprintf(stderr, "%s: result %ld, errno %d (%s); expected %ld, errno %d\n", row->name, outcome.result,
                    outcome.error, strerror(outcome.error), row->result, row->error);
            failed = 1;
        }
        for (int i = 0; i < descriptors_looked_at; i++)
            if (before[i] != after[i]) {
                fprintf(stderr, "%s: descriptor %d was %s\n", row->name, i, before[i] ? "closed" : "left open");
                failed = 1;
            }
        _exit(failed);
    }
    int status;
    if (waitpid(pid, &status, 0) < 0) return perror("waitpid"), 1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    fprintf(stderr, "FAILED: %s", row->name);
    for (size_t i = 0; i < faults_max && row->faults[i].error; i++)
        fprintf(stderr, "%s %s", i ? "," : " with", row->faults[i].name);
    fprintf(stderr, WIFSIGNALED(status) ? ": signal %d\n" : ": exit status %d\n",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return 1;
}

int main(int count, char **arguments) {
    if (count > 1 && strcmp(arguments[1], "--list") == 0) {
        for (size_t i = 0; i < row_count; i++) puts(rows[i].name);
        return 0;
    }
    int failures = 0;
    for (size_t i = 0; i < row_count; i++) failures += run_row(&rows[i]);
    int wrong = try_without_faults();
    printf("%zu failing calls, %d rows and %d other checks failed\n", row_count, failures, wrong);
    return failures || wrong;
}
