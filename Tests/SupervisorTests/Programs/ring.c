// Sets up an io_uring(7), does nothing with it, and waits: what can be seen of a program that binds and listens by one.
#include <linux/io_uring.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    struct io_uring_params parameters = {0};
    if (syscall(SYS_io_uring_setup, 8, &parameters) < 0) return perror("io_uring_setup"), 1;
    for (;;) pause();
}
