// Descriptors: pipes, pinned files, datagrams with credentials, abstract unix addresses.
#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U  // Linux 6.3; a system may insist on it (vm.memfd_noexec)
#endif

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83  // Linux 6.16; the same number on x86_64 and aarch64
#endif

int rl_pipe(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    // Only our end: a worker expects its end to block.
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0) return 0;
    int error = errno;
    close(ends[0]);
    close(ends[1]);
    return errno = error, -1;
}

int rl_memory_file(const char *name) {
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int number = memfd_create(name, flags | MFD_NOEXEC_SEAL);
    if (number < 0 && errno == EINVAL) number = memfd_create(name, flags);  // before Linux 6.3
    return number;
}

enum { all_seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

int rl_seal_memory_file(int number) { return fcntl(number, F_ADD_SEALS, all_seals); }

bool rl_is_sealed(int number) {
    int seals = fcntl(number, F_GET_SEALS);
    return seals >= 0 && (seals & all_seals) == all_seals;
}

int rl_open_path(int directory, const char *path) { return openat(directory, path, O_PATH | O_CLOEXEC); }

int rl_open_entry(int directory, const char *name) { return openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC); }

bool rl_contains(const void *bytes, size_t count, const void *word, size_t word_count) {
    return memmem(bytes, count, word, word_count) != NULL;
}

const char *rl_error_text(int number) { return strerror(number); }

int rl_refuse_descriptors(int socket) {
    int off = 0;
    return setsockopt(socket, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off);
}

ssize_t rl_receive_datagram(int socket, void *buffer, size_t size, uint32_t *uid) {
    // The credentials come first, and leave no room for descriptors: the kernel drops them.
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec piece = {buffer, size};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t count = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count < 0) return count;
    *uid = UINT32_MAX;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_CREDENTIALS) continue;
        struct ucred sender;
        memcpy(&sender, CMSG_DATA(part), sizeof sender);
        *uid = sender.uid;
    }
    return count;
}

// Returns the size of the address, or 0 if `path` does not fit.
static socklen_t unix_address(const char *path, struct sockaddr_un *address) {
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof address->sun_path) return errno = ENAMETOOLONG, 0;
    memcpy(address->sun_path, path, length);
    if (path[0] == '@') address->sun_path[0] = 0;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] != '@'));
}

ssize_t rl_send_datagram(int socket, const char *path, const void *bytes, size_t count) {
    struct sockaddr_un address;
    socklen_t size = unix_address(path, &address);
    if (size == 0) return -1;
    return sendto(socket, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address, size);
}

int rl_connect_datagram(int socket, const char *path) {
    struct sockaddr_un address;
    socklen_t size = unix_address(path, &address);
    return size == 0 ? -1 : connect(socket, (struct sockaddr *)&address, size);
}

int rl_bind_datagram(int socket, const char *path) {
    struct sockaddr_un address;
    socklen_t size = unix_address(path, &address);
    return size == 0 ? -1 : bind(socket, (struct sockaddr *)&address, size);
}

ssize_t rl_send_packet(int socket, const void *bytes, size_t count, const int *descriptors, size_t descriptor_count) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(rl_packet_descriptors_max * sizeof(int))];
    } control;
    if (descriptor_count > rl_packet_descriptors_max) return errno = E2BIG, -1;
    struct iovec piece = {(void *)bytes, count};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    if (descriptor_count > 0) {
        size_t size = descriptor_count * sizeof(int);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(size);
        memset(&control, 0, CMSG_SPACE(size));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(&control.header), descriptors, size);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t rl_receive_packet(int socket, void *buffer, size_t size, int *descriptors, size_t *descriptor_count) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(rl_packet_descriptors_max * sizeof(int))];
    } control;
    struct iovec piece = {buffer, size};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    *descriptor_count = 0;
    ssize_t count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (count < 0) return count;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        size_t here = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(descriptors + *descriptor_count, CMSG_DATA(part), here * sizeof(int));
        *descriptor_count += here;
    }
    if (!(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) return count;
    for (size_t i = 0; i < *descriptor_count; i++) close(descriptors[i]);
    *descriptor_count = 0;
    return errno = message.msg_flags & MSG_TRUNC ? EMSGSIZE : EMFILE, -1;
}
