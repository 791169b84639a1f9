// For code that runs in a child which shares our memory while we go on: bare system calls, and a note that the child
// sends. The C library's wrappers write errno, which would be ours, and other functions of the library may lock or be
// looked up at their first call. So such code calls nothing but what is declared here.
#pragma once

#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

// The kernel's own result: -errno on failure.
static inline long bare_call(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result = number;
    __asm__ volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#else
#error "reloaderd knows the system calls of x86_64 and aarch64"
#endif
}

// Arguments that are left out are 0.
#define bare(...) bare_with(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define bare_with(number, a, b, c, d, e, f, ...) \
    bare_call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define address_of(pointer) ((long)(uintptr_t)(pointer))

// One byte, which may come with a descriptor.
struct note {
    struct msghdr message;
    struct iovec piece;
    char byte;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];  // a header, and the descriptor
};

// To be called before the child is started.
void prepare_note(struct note *note);
// Sends the note over a unix socket, with `descriptor` if that is not negative. 0, or -errno.
long send_note(struct note *note, int channel, int descriptor);
// Puts a filter on the calling process that reports bind(2) and listen(2). Returns the descriptor that they are
// reported to, close-on-exec, or -errno.
long report_calls(void);
