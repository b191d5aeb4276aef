// SPDX-License-Identifier: ISC
// Sockets that wait for others.
#include "relay/net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/base/span.h"

#define BACKLOG 1024

static socklen_t address_size(const struct sockaddr *a)
{
    return a->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

int listen_tcp(const struct sockaddr *address, const char *text, struct why *why)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0)
        return why_set(why, WHY_OURS, "4.3.0", "cannot listen on %s: %s", text, strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (address->sa_family == AF_INET6) // so that 0.0.0.0 and [::] can stand side by side
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, address, address_size(address)) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    return why_set(why, WHY_OURS, "4.3.0", "cannot listen on %s: %s", text, strerror(error));
}

// With SO_REUSEPORT another process of the same user could listen there too, and the two would share the
// clients without a word: a socket that does not share finds that out.
static int find_free(const struct sockaddr *address, const char *text, struct why *why)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, error = 0;
    if (fd < 0)
        return why_set(why, WHY_OURS, "4.3.0", "cannot listen on %s: %s", text, strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, address, address_size(address)) < 0)
        error = errno;
    close(fd);
    if (!error)
        return 0;
    return why_set(why, WHY_OURS, "4.3.0", "cannot listen on %s: %s", text, strerror(error));
}

int listen_workers(const struct config *config, unsigned workers, int **sets, struct why *why)
{
    for (size_t i = 0; i < config->nlisten; i++) // all of them first: two of ours may overlap
        if (find_free((const struct sockaddr *)&config->listen[i].address, config->listen[i].text,
                      why) < 0)
            return -1;
    size_t n = config->nlisten * workers;
    int *fds = mem_new((n + 1) * sizeof *fds);
    for (size_t i = 0; i < n; i++) {
        const struct cfg_listen *l = &config->listen[i % config->nlisten];
        const struct sockaddr *address = (const struct sockaddr *)&l->address;
        fds[i] = listen_tcp(address, l->text, why);
        if (fds[i] >= 0)
            continue;
        while (i > 0)
            close(fds[--i]);
        free(fds);
        return -1;
    }
    *sets = fds;
    return 0;
}

// A socket file that nobody answers is what a crash left behind.
static bool is_live(const struct sockaddr_un *un)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool live = fd >= 0 && connect(fd, (const struct sockaddr *)un, sizeof *un) == 0;
    if (fd >= 0)
        close(fd);
    return live;
}

int listen_unix(const char *path, struct why *why)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof un.sun_path)
        return why_set(why, WHY_OURS, "4.3.0", "control: the path is too long: %s", path);
    memcpy(un.sun_path, path, strlen(path) + 1);
    if (is_live(&un))
        return why_set(why, WHY_OURS, "4.3.0", "another relay answers on %s", path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t mask = umask(0117);
    int rc = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&un, sizeof un);
    int error = errno;
    umask(mask);
    if (rc == 0 && listen(fd, 64) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return why_set(why, WHY_OURS, "4.3.0", "cannot listen on %s: %s", path, strerror(error));
}

int listen_parse(const char *text, struct sockaddr_storage *out, struct why *why)
{
    char host[64];
    struct span s = span_text(text);
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (!colon || !span_number(span_text(colon + 1), 65535, &port))
        return why_set(why, WHY_OURS, "4.3.0", "'%s' is not ADDRESS:PORT", text);
    s = span_of(text, (size_t)(colon - text));
    if (s.n > 1 && s.p[0] == '[' && s.p[s.n - 1] == ']')
        s = span_slice(s, 1, s.n - 1);
    snprintf(host, sizeof host, "%.*s", (int)s.n, (const char *)s.p);
    *out = (struct sockaddr_storage){0};
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
    } else if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
    } else {
        return why_set(why, WHY_OURS, "4.3.0", "'%s' is not ADDRESS:PORT", text);
    }
    return 0;
}
