// SPDX-License-Identifier: ISC
// Preloaded before a program: every SHORTAGE_EVERY-th call that opens a descriptor fails as where none is left,
// from the SHORTAGE_AFTER-th on and for SHORTAGE_FOR of them. Counts calls of all threads together.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static atomic_long calls;

static long setting(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

static int fails(void)
{
    long every = setting("SHORTAGE_EVERY", 0), after = setting("SHORTAGE_AFTER", 0);
    long call = atomic_fetch_add(&calls, 1) - after;
    if (every <= 0 || call < 0 || call >= setting("SHORTAGE_FOR", 1000000000) || call % every)
        return 0;
    errno = EMFILE;
    return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int socket(int domain, int type, int protocol)
{
    return fails() ? -1 : NEXT(socket)(domain, type, protocol);
}

int accept4(int fd, struct sockaddr *address, socklen_t *n, int flags)
{
    return fails() ? -1 : NEXT(accept4)(fd, address, n, flags);
}

// The first of all is libuv's for signals, without which it ends the process: the relay makes sure of room first.
int pipe2(int ends[2], int flags)
{
    static atomic_int pipes;
    if (atomic_fetch_add(&pipes, 1) == 0)
        return NEXT(pipe2)(ends, flags);
    return fails() ? -1 : NEXT(pipe2)(ends, flags);
}

int socketpair(int domain, int type, int protocol, int ends[2])
{
    return fails() ? -1 : NEXT(socketpair)(domain, type, protocol, ends);
}

int eventfd(unsigned value, int flags)
{
    return fails() ? -1 : NEXT(eventfd)(value, flags);
}

int epoll_create1(int flags)
{
    return fails() ? -1 : NEXT(epoll_create1)(flags);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails() ? -1 : NEXT(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails() ? -1 : NEXT(open64)(path, flags, mode);
}
