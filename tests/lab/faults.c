// SPDX-License-Identifier: ISC
// Preloaded before a program: calls on sockets fail now and then, as the file FAULTS says, which whoever started the
// program may change while it runs. Counts calls of all threads together; which of them fail follows from the seed.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum kind { CONNECT, ACCEPT, WRITE, READ, KINDS };

static struct faults {
    _Atomic uint32_t every; // one of so many fails; 0: none
    _Atomic uint32_t seed;
    _Atomic uint64_t calls, struck[KINDS];
} * faults;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAULTS");
    int fd = path ? NEXT(open)(path, O_RDWR | O_CLOEXEC) : -1;
    void *map =
        fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        abort();
    close(fd);
    faults = map;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

// A pair without names is the program's own, between its threads.
static int leads_out(int fd)
{
    struct sockaddr_un here = {0}, there = {0};
    socklen_t n = sizeof here, m = sizeof there;
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode) ||
        getsockname(fd, (struct sockaddr *)&here, &n) < 0)
        return 0;
    if (here.sun_family != AF_UNIX)
        return 1;
    return here.sun_path[0] ||
           (getpeername(fd, (struct sockaddr *)&there, &m) == 0 && there.sun_path[0]);
}

// 0: the call goes its way; otherwise a number of which the caller makes what its peers would do.
static uint64_t strikes(int fd, enum kind kind)
{
    uint32_t every = faults ? faults->every : 0;
    int error = errno, out = every && leads_out(fd);
    errno = error;
    if (!out)
        return 0;
    uint64_t drawn = mix(faults->seed * 0x9e3779b97f4a7c15u + atomic_fetch_add(&faults->calls, 1));
    if (kind == CONNECT)
        every = (every + 3) / 4; // there are few
    if (drawn % every)
        return 0;
    atomic_fetch_add(&faults->struck[kind], 1);
    return drawn / every | 1u << 31;
}

static int fail(uint64_t drawn, const int *errors, unsigned n)
{
    errno = errors[drawn % n];
    return -1;
}

int connect(int fd, const struct sockaddr *address, socklen_t n)
{
    static const int errors[] = {ECONNREFUSED, ENETUNREACH, EADDRNOTAVAIL, ETIMEDOUT};
    uint64_t drawn = address->sa_family == AF_INET || address->sa_family == AF_INET6 ||
                             address->sa_family == AF_UNIX
                         ? strikes(fd, CONNECT)
                         : 0;
    return drawn ? fail(drawn, errors, 4) : NEXT(connect)(fd, address, n);
}

int accept4(int fd, struct sockaddr *address, socklen_t *n, int flags)
{
    static const int errors[] = {ECONNABORTED, EMFILE, EAGAIN};
    uint64_t drawn = strikes(fd, ACCEPT);
    return drawn ? fail(drawn, errors, 3) : NEXT(accept4)(fd, address, n, flags);
}

static const int broken[] = {ECONNRESET, EPIPE, ENOBUFS, ETIMEDOUT},
                 lost[] = {ECONNRESET, EINTR, EAGAIN, ETIMEDOUT};

// Every other fault of a write is that only a part goes out: how much of n.
static size_t part(uint64_t drawn, size_t n)
{
    return drawn >> 8 & 1 ? n / 2 : 0;
}

ssize_t write(int fd, const void *data, size_t n)
{
    uint64_t drawn = strikes(fd, WRITE);
    if (part(drawn, n))
        return NEXT(write)(fd, data, part(drawn, n));
    return drawn ? fail(drawn, broken, 4) : NEXT(write)(fd, data, n);
}

ssize_t send(int fd, const void *data, size_t n, int flags)
{
    uint64_t drawn = strikes(fd, WRITE);
    if (part(drawn, n))
        return NEXT(send)(fd, data, part(drawn, n), flags);
    return drawn ? fail(drawn, broken, 4) : NEXT(send)(fd, data, n, flags);
}

ssize_t writev(int fd, const struct iovec *pieces, int n)
{
    uint64_t drawn = strikes(fd, WRITE);
    if (part(drawn, (size_t)n))
        return NEXT(writev)(fd, pieces, (int)part(drawn, (size_t)n));
    return drawn ? fail(drawn, broken, 4) : NEXT(writev)(fd, pieces, n);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    uint64_t drawn = strikes(fd, WRITE);
    return drawn ? fail(drawn, broken, 4) : NEXT(sendmsg)(fd, message, flags);
}

ssize_t sendto(int fd, const void *data, size_t n, int flags, const struct sockaddr *address,
               socklen_t size)
{
    uint64_t drawn = strikes(fd, WRITE);
    return drawn ? fail(drawn, broken, 4) : NEXT(sendto)(fd, data, n, flags, address, size);
}

ssize_t read(int fd, void *to, size_t n)
{
    uint64_t drawn = strikes(fd, READ);
    return drawn ? fail(drawn, lost, 4) : NEXT(read)(fd, to, n);
}

ssize_t recv(int fd, void *to, size_t n, int flags)
{
    uint64_t drawn = strikes(fd, READ);
    return drawn ? fail(drawn, lost, 4) : NEXT(recv)(fd, to, n, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    uint64_t drawn = strikes(fd, READ);
    return drawn ? fail(drawn, lost, 4) : NEXT(recvmsg)(fd, message, flags);
}

ssize_t recvfrom(int fd, void *to, size_t n, int flags, struct sockaddr *address, socklen_t *size)
{
    uint64_t drawn = strikes(fd, READ);
    return drawn ? fail(drawn, lost, 4) : NEXT(recvfrom)(fd, to, n, flags, address, size);
}
