// A file server that stops answering when it is told to: stuck-files FOLDER PROGRAM mounts at FOLDER, by FUSE, the
// files `program` (executable, what PROGRAM has) and `plain` (64 KiB of zeros, which everybody may write; opened for
// reading and writing at once, it is mapped past the page cache). Needs root.
//
// Orders, a line each on standard input:
//   hold OPERATION NAME   keep all such requests for this file from now on: OPEN, READ, WRITE, FLUSH, GETATTR
//   release               answer those that were kept, and keep none from now on
// Its answers: `mounted`, `OPERATION NAME` for each request that is kept, `holding`, `released`. A request that waits
// for its answer can't be killed. When the input or this process ends, the kernel lets all of them fail.
#include "answer.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum { root = FUSE_ROOT_ID, program = 2, plain = 3, request_max = 1 << 18, kept_max = 1024, plain_size = 1 << 16 };

static const struct {
    const char *name;
    unsigned code;
} operations[] = {{"OPEN", FUSE_OPEN}, {"READ", FUSE_READ}, {"WRITE", FUSE_WRITE}, {"FLUSH", FUSE_FLUSH},
                  {"GETATTR", FUSE_GETATTR}};
static const char *const names[] = {[program] = "program", [plain] = "plain"};

static int device;
static char *content;
static size_t content_size;
static bool holds[sizeof operations / sizeof *operations][plain + 1];
static char *kept[kept_max];
static size_t kept_count;

static void say(const char *text) {
    printf("%s\n", text);
    fflush(stdout);
}

static void reply(const struct fuse_in_header *request, int error, const void *body, size_t size) {
    static char answer[request_max];
    struct fuse_out_header header = {(uint32_t)(sizeof header + size), -error, request->unique};
    memcpy(answer, &header, sizeof header);
    if (size) memcpy(answer + sizeof header, body, size);
    // The process that asked may be gone by now (ENOENT).
    if (write(device, answer, header.len) < 0 && errno != ENOENT) perror("reply");
}

static struct fuse_attr attributes(uint64_t node) {
    struct fuse_attr attr = {.ino = node, .nlink = 1, .blksize = 4096};
    attr.mode = node == root ? S_IFDIR | 0755 : node == program ? S_IFREG | 0755 : S_IFREG | 0666;
    attr.size = node == program ? content_size : node == plain ? plain_size : 0;
    return attr;
}

static void look_up(const struct fuse_in_header *request, const char *name) {
    for (uint64_t node = program; node <= plain; node++) {
        if (strcmp(name, names[node])) continue;
        // Nothing of it may be remembered, so that each use asks.
        struct fuse_entry_out entry = {.nodeid = node, .attr = attributes(node)};
        return reply(request, 0, &entry, sizeof entry);
    }
    reply(request, ENOENT, NULL, 0);
}

static void read_file(const struct fuse_in_header *request, const struct fuse_read_in *range) {
    static char zeros[request_max / 2];
    size_t size = attributes(request->nodeid).size;
    size_t start = range->offset < size ? range->offset : size;
    size_t count = range->size < size - start ? range->size : size - start;
    if (count > sizeof zeros) count = sizeof zeros;
    reply(request, 0, request->nodeid == program ? content + start : zeros, count);
}

static void begin(const struct fuse_in_header *request, const struct fuse_init_in *kernel) {
    struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION};
    // Nothing is read ahead: a page is asked for when it is used.
    init.max_write = 4096;
    init.max_background = 64;
    if (kernel->major != FUSE_KERNEL_VERSION) return reply(request, EPROTO, NULL, 0);
    if (kernel->minor < init.minor) init.minor = kernel->minor;
    reply(request, 0, &init, sizeof init);
}

static void answer_one(const struct fuse_in_header *request) {
    const void *body = request + 1;
    switch (request->opcode) {
    case FUSE_INIT: return begin(request, body);
    case FUSE_LOOKUP: return look_up(request, body);
    case FUSE_GETATTR:
    case FUSE_SETATTR: {
        struct fuse_attr_out out = {.attr = attributes(request->nodeid)};
        return reply(request, 0, &out, sizeof out);
    }
    case FUSE_OPENDIR:
    case FUSE_OPEN: {
        const struct fuse_open_in *asked = body;
        struct fuse_open_out out = {0};
        if (request->nodeid == plain && (asked->flags & O_ACCMODE) == O_RDWR) out.open_flags = FOPEN_DIRECT_IO;
        return reply(request, 0, &out, sizeof out);
    }
    case FUSE_READ: return read_file(request, body);
    case FUSE_WRITE: {
        struct fuse_write_out out = {.size = ((const struct fuse_write_in *)body)->size};
        return reply(request, 0, &out, sizeof out);
    }
    case FUSE_FLUSH:
    case FUSE_FSYNC:
    case FUSE_RELEASE:
    case FUSE_READDIR:
    case FUSE_RELEASEDIR:
    case FUSE_ACCESS:
    case FUSE_DESTROY: return reply(request, 0, NULL, 0);
    case FUSE_STATFS: {
        struct fuse_statfs_out out = {0};
        return reply(request, 0, &out, sizeof out);
    }
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT: return;  // they have no answer
    default: return reply(request, ENOSYS, NULL, 0);
    }
}

static bool keep(const struct fuse_in_header *request, size_t size) {
    if (request->nodeid < program || request->nodeid > plain) return false;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (operations[i].code != request->opcode || !holds[i][request->nodeid] || kept_count == kept_max) continue;
        kept[kept_count] = malloc(size);
        if (!kept[kept_count]) return false;
        memcpy(kept[kept_count++], request, size);
        printf("%s %s\n", operations[i].name, names[request->nodeid]);
        fflush(stdout);
        return true;
    }
    return false;
}

static void take_request(void) {
    static char bytes[request_max] __attribute__((aligned(8)));
    ssize_t size = read(device, bytes, sizeof bytes);
    if (size < 0 && errno == ENODEV) exit(0);  // unmounted
    if (size < (ssize_t)sizeof(struct fuse_in_header)) return;
    const struct fuse_in_header *request = (const void *)bytes;
    if (!keep(request, (size_t)size)) answer_one(request);
}

static void take_order(void) {
    char order[128], operation[16], name[16];
    // An order is a line, and the next one comes when this one is answered.
    ssize_t count = read(0, order, sizeof order - 1);
    if (count <= 0) exit(0);
    order[count] = 0;
    if (strcmp(order, "release\n") == 0) {
        memset(holds, 0, sizeof holds);
        for (size_t i = 0; i < kept_count; i++) {
            answer_one((const void *)kept[i]);
            free(kept[i]);
        }
        kept_count = 0;
        return say("released");
    }
    if (sscanf(order, "hold %15s %15s", operation, name) != 2) return say("what?");
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        for (unsigned node = program; node <= plain; node++)
            if (!strcmp(operation, operations[i].name) && !strcmp(name, names[node])) {
                holds[i][node] = true;
                return say("holding");
            }
    say("what?");
}

static void load(const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    check(file, path);
    struct stat status;
    check(fstat(file, &status), "fstat");
    content_size = (size_t)status.st_size;
    content = malloc(content_size);
    if (!content || read(file, content, content_size) != (ssize_t)content_size) exit(1);
    close(file);
}

int main(int count, char **words) {
    if (count != 3) return 64;
    load(words[2]);
    device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    check(device, "/dev/fuse");
    char options[128];
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions",
             device);
    check(mount("stuck-files", words[1], "fuse", MS_NOSUID | MS_NODEV, options), "mount");
    bool told = false;
    for (;;) {
        struct pollfd sources[] = {{device, POLLIN, 0}, {0, POLLIN, 0}};
        if (poll(sources, 2, -1) < 0) continue;
        if (sources[0].revents) take_request();
        if (!told) say("mounted"), told = true;
        if (sources[1].revents) take_order();
    }
}
