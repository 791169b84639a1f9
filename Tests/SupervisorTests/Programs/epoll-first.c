// Tells its epoll of the socket before it binds it, with data that must come back as they are. epoll-first PORT
#include "answer.h"
#include <sys/epoll.h>

static const uint64_t mark = 0xdeadbeef00000001;

int main(int count, char **words) {
    if (count < 2) return 64;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = mark};
    check(epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event), "epoll_ctl");
    struct sockaddr_in address = loopback(words[1]);
    int one = 1;
    check(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), "setsockopt");
    check(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
    check(listen(listener, 512), "listen");
    for (;;) {
        check(epoll_wait(poll, &event, 1, -1), "epoll_wait");
        if (event.data.u64 != mark) return fprintf(stderr, "an event that nobody asked for\n"), 2;
        int connection = accept(listener, NULL, NULL);
        if (connection >= 0) answer(connection);
    }
}
