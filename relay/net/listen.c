// SPDX-License-Identifier: ISC
// Sockets that wait for others.
#include "relay/net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "relay/base/address.h"
#include "relay/base/mem.h"
#include "relay/net/inherit.h"

#define BACKLOG 1024

// -1 with why, for a socket that could not be had or bound; closes it.
static int failed(int fd, const char *text, int error, struct why *why)
{
    const char *hint = error == EADDRINUSE
                           ? ": another program has this port (ss -ltnp shows which)"
                       : error == EADDRNOTAVAIL ? ": this machine has no such address"
                       : error == EACCES ? ": ports below 1024 need root or CAP_NET_BIND_SERVICE"
                                         : "";
    if (fd >= 0)
        close(fd);
    errno = error;
    return why_set(why, WHY_OURS, "4.3.0", "cannot listen on %s: %s%s", text, strerror(error),
                   hint);
}

static int bound(const struct sockaddr *address, bool shared, const char *text, struct why *why)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0)
        return failed(fd, text, errno, why);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (address->sa_family == AF_INET6) // so that 0.0.0.0 and [::] can stand side by side
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    return bind(fd, address, address_size(address)) == 0 ? fd : failed(fd, text, errno, why);
}

int listen_tcp(const struct sockaddr *address, const char *text, struct why *why)
{
    int fd = inherit_find(address);
    if (fd >= 0)
        return fd;
    fd = bound(address, true, text, why);
    return fd < 0 || listen(fd, BACKLOG) == 0 ? fd : failed(fd, text, errno, why);
}

static bool is_inherited(const struct sockaddr *address)
{
    int fd = inherit_find(address);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

// With SO_REUSEPORT another process of the same user could listen there too, and the two would share the
// clients without a word: a socket that does not share finds that out.
int listen_try(const struct sockaddr *address, const char *text, struct why *why)
{
    int fd = bound(address, false, text, why);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static bool stands(const struct config *now, const struct cfg_listen *l)
{
    for (size_t i = 0; now && i < now->nlisten; i++)
        if (strcmp(now->listen[i].text, l->text) == 0)
            return true;
    return false;
}

static uint16_t port_of(const struct cfg_listen *l)
{
    return address_port((const struct sockaddr *)&l->address);
}

// One of ours may have the port, on another address that overlaps: nobody else can then.
static bool has_port(const struct config *now, const struct cfg_listen *l)
{
    for (size_t i = 0; now && i < now->nlisten; i++)
        if (now->listen[i].address.ss_family != AF_UNIX && port_of(&now->listen[i]) == port_of(l))
            return true;
    return false;
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

// A path that was mistyped must not cost a file.
static bool is_other_file(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode);
}

int listen_unix(const char *path, mode_t mode, struct why *why)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof un.sun_path)
        return why_set(why, WHY_OURS, "4.3.0", "the path of a socket is too long: %s", path);
    memcpy(un.sun_path, path, strlen(path) + 1);
    int fd = inherit_find((const struct sockaddr *)&un);
    if (fd >= 0)
        return fd;
    if (is_other_file(path))
        return why_set(why, WHY_OURS, "4.3.0",
                       "cannot listen on %s: a file of another kind is there", path);
    if (is_live(&un))
        return why_set(why, WHY_OURS, "4.3.0", "another relay answers on %s", path);
    unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t mask = umask(0777 & ~mode);
    int rc = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&un, sizeof un);
    int error = errno;
    umask(mask);
    if (rc == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return why_set(why, WHY_OURS, "4.3.0", "cannot listen on %s: %s", path, strerror(error));
}

static bool is_local(const struct cfg_listen *l)
{
    return l->address.ss_family == AF_UNIX;
}

static const char *listen_path_of(const struct cfg_listen *l)
{
    return ((const struct sockaddr_un *)(const void *)&l->address)->sun_path;
}

static mode_t mode_of(const struct cfg_listen *l)
{
    return (mode_t)strtoul(l->mode, NULL, 8);
}

// Unix sockets know no SO_REUSEPORT: the workers take turns at one.
static int for_worker(const struct cfg_listen *l, int first, struct why *why)
{
    if (!is_local(l))
        return listen_tcp((const struct sockaddr *)&l->address, l->text, why);
    if (first < 0)
        return listen_unix(listen_path_of(l), mode_of(l), why);
    int fd = fcntl(first, F_DUPFD_CLOEXEC, 0);
    return fd >= 0 ? fd : failed(fd, l->text, errno, why);
}

static int try_all(const struct config *config, const struct config *now, struct why *why)
{
    for (size_t i = 0; i < config->nlisten; i++) { // all of them first: two of ours may overlap
        const struct cfg_listen *l = &config->listen[i];
        if (!is_local(l) && !has_port(now, l) &&
            !is_inherited((const struct sockaddr *)&l->address) &&
            listen_try((const struct sockaddr *)&l->address, l->text, why) < 0)
            return -1;
    }
    return 0;
}

int listen_workers(const struct config *config, const struct config *now, unsigned workers,
                   int **sets, struct why *why)
{
    if (try_all(config, now, why) < 0)
        return -1;
    size_t n = config->nlisten * workers;
    int *fds = mem_new((n + 1) * sizeof *fds);
    for (size_t i = 0; i < n; i++) {
        const struct cfg_listen *l = &config->listen[i % config->nlisten];
        fds[i] = -1;
        if (stands(now, l)) {
            if (is_local(l))
                (void)chmod(listen_path_of(l), mode_of(l)); // that alone may have changed
            continue;
        }
        fds[i] = for_worker(l, i < config->nlisten ? -1 : fds[i % config->nlisten], why);
        if (fds[i] >= 0)
            continue;
        while (i-- > 0)
            if (fds[i] >= 0)
                close(fds[i]);
        free(fds);
        return -1;
    }
    *sets = fds;
    return 0;
}
