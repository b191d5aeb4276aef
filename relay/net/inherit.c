// SPDX-License-Identifier: ISC
#include "relay/net/inherit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include "config/value.h"

#define FIRST 3 // descriptor, as sd_listen_fds(3) has it

static struct {
    int fd;
    struct sockaddr_storage address;
    bool used;
} sockets[INHERIT_MAX];
static size_t nsockets;

static uint64_t number_of(const char *name)
{
    const char *text = getenv(name);
    uint64_t n;
    return text && span_number(span_text(text), INT32_MAX, &n) ? n : 0;
}

// Anything but a stream socket that listens is not ours to use.
static void take(int fd)
{
    int listens = 0, type = 0;
    socklen_t n = sizeof listens, size = sizeof sockets[0].address;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) < 0 || !listens ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_STREAM ||
        getsockname(fd, (struct sockaddr *)&sockets[nsockets].address, &size) < 0) {
        close(fd);
        return;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    sockets[nsockets++].fd = fd;
}

void inherit_take(void)
{
    uint64_t pid = number_of("LISTEN_PID"), n = number_of("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (pid != (uint64_t)getpid())
        return;
    for (uint64_t i = 0; i < n && nsockets < INHERIT_MAX; i++)
        take(FIRST + (int)i);
}

static bool same_in6(const struct sockaddr_in6 *a, const struct sockaddr_in6 *b)
{
    return a->sin6_port == b->sin6_port &&
           memcmp(&a->sin6_addr, &b->sin6_addr, sizeof a->sin6_addr) == 0;
}

static bool same_address(const struct sockaddr *a, const struct sockaddr *b)
{
    if (a->sa_family != b->sa_family)
        return false;
    if (a->sa_family == AF_INET6)
        return same_in6((const struct sockaddr_in6 *)(const void *)a,
                        (const struct sockaddr_in6 *)(const void *)b);
    if (a->sa_family == AF_UNIX)
        return strcmp(((const struct sockaddr_un *)(const void *)a)->sun_path,
                      ((const struct sockaddr_un *)(const void *)b)->sun_path) == 0;
    const struct sockaddr_in *x = (const void *)a, *y = (const void *)b;
    return a->sa_family == AF_INET && x->sin_port == y->sin_port &&
           x->sin_addr.s_addr == y->sin_addr.s_addr;
}

int inherit_find(const struct sockaddr *address)
{
    for (size_t i = 0; i < nsockets; i++)
        if (same_address(address, (const struct sockaddr *)&sockets[i].address)) {
            sockets[i].used = true;
            return fcntl(sockets[i].fd, F_DUPFD_CLOEXEC, FIRST);
        }
    return -1;
}

void inherit_unused(void (*tell)(const char *address, void *arg), void *arg)
{
    for (size_t i = 0; i < nsockets; i++) {
        char text[VALUE_TEXT] = "a Unix socket";
        if (sockets[i].used)
            continue;
        if (sockets[i].address.ss_family != AF_UNIX)
            value_endpoint_text(&sockets[i].address, text);
        tell(text, arg);
    }
}
