// A hostile sender: lingering ADDRESS sends READY=1 to this notify socket together with a TCP socket whose last close
// waits for ten minutes, because its peer reads nothing. Says how that went, and keeps the peer until its input ends.
#include "answer.h"
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/un.h>

static int lingering_socket(void) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), small = 2048;
    struct sockaddr_in address = loopback("0");
    socklen_t size = sizeof address;
    check(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), "SO_RCVBUF");
    check(bind(listener, (struct sockaddr *)&address, size), "bind");
    check(listen(listener, 1), "listen");
    check(getsockname(listener, (struct sockaddr *)&address, &size), "getsockname");
    int client = socket(AF_INET, SOCK_STREAM, 0);
    check(connect(client, (struct sockaddr *)&address, size), "connect");
    struct linger linger = {.l_onoff = 1, .l_linger = 600};
    check(setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), "SO_LINGER");
    check(fcntl(client, F_SETFL, O_NONBLOCK), "fcntl");
    static char bytes[1 << 16];
    while (write(client, bytes, sizeof bytes) > 0) continue;
    // Its last close waits only if it blocks.
    check(fcntl(client, F_SETFL, 0), "fcntl");
    return client;
}

static const char *send_with(int passed, const char *path) {
    int sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path) return "too long";
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') address.sun_path[0] = 0;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] != '@'));
    if (connect(sender, (struct sockaddr *)&address, size) < 0) return strerror(errno);
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &passed, sizeof passed);
    struct iovec text = {"READY=1", 7};
    struct msghdr message = {
        .msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    return sendmsg(sender, &message, 0) < 0 ? strerror(errno) : "sent";
}

int main(int count, char **words) {
    if (count != 2) return 2;
    int passed = lingering_socket();
    const char *outcome = send_with(passed, words[1]);
    // The receiver's is the last one then.
    if (strcmp(outcome, "sent") == 0) close(passed);
    printf("%s\n", outcome);
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) continue;
    return 0;
}
