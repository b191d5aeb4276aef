// SPDX-License-Identifier: ISC
// What this machine has to offer: ports that are free, addresses that are its own, folders that can be written.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "config/login.h"
#include "config/value.h"
#include "relay/base/address.h"
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/mem.h"
#include "relay/command/check.h"
#include "relay/command/init.h"
#include "relay/control/control.h"
#include "relay/net/listen.h"
#include "relay/setup/ownership.h"
#include "relay/setup/privileges.h"

// Its own ports are taken then, and rightly.
static bool relay_runs(const struct config *config)
{
    int status;
    json_t *answer =
        config->control[0]
            ? control_ask_quietly(config->control, json_pack("{s:s}", "verb", "status"), &status)
            : NULL;
    json_decref(answer);
    return answer != NULL;
}

// The unit that hands sockets to the relay; which ones it has, its file says.
static bool systemd_holds(void)
{
    const char *const argv[] = {"systemctl", "is-active", "--quiet", "waxwing.socket", NULL};
    return access("/run/systemd/system", F_OK) == 0 && init_run(argv, NULL) == 0;
}

static bool try_port(struct report *r, const char *key, const struct sockaddr *address,
                     const char *text)
{
    struct why why;
    if (listen_try(address, text, &why) == 0)
        return true;
    if (errno == EADDRINUSE && systemd_holds()) {
        check_say(r, "ok",
                  "%s: %s is taken; waxwing.socket of systemd is active and holds sockets "
                  "for the relay",
                  key, text);
        return true;
    }
    // Without root's or the unit's rights that says nothing about the relay.
    check_say(r, errno == EACCES && geteuid() != 0 ? "warning" : "ERROR", "%s: %s", key, why.text);
    return false;
}

static void check_ports(struct report *r, const struct config *config)
{
    struct sockaddr_storage address;
    struct why why;
    bool all = true;
    if (relay_runs(config)) {
        check_say(r, "ok", "a relay is running and answers on %s", config->control);
        return;
    }
    for (size_t i = 0; i < config->nlisten; i++)
        all &= config->listen[i].address.ss_family == AF_UNIX ||
               try_port(r, "listen", (const struct sockaddr *)&config->listen[i].address,
                        config->listen[i].text);
    if (config->http[0] &&
        value_endpoint(span_text(config->http), PORT_REQUIRED, &address, &why) == 0)
        all &= try_port(r, "http", (const struct sockaddr *)&address, config->http);
    if (all)
        check_say(r, "ok", "the ports to listen on are free");
}

static void check_source(struct report *r, const char *key, const struct cfg_source *source)
{
    const struct sockaddr *address = (const struct sockaddr *)&source->address;
    char text[ADDRESS_TEXT];
    address_text(address, text);
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, address, address_size(address)) < 0)
        check_say(r, "ERROR", "%s: %s: %s", key, text,
                  errno == EADDRNOTAVAIL ? "this machine has no such address" : strerror(errno));
    else
        check_say(r, "ok", "%s is an address of this machine", text);
    if (fd >= 0)
        close(fd);
}

static void check_sources(struct report *r, const struct config *config)
{
    for (size_t i = 0; i < config->delivery.nsources; i++)
        check_source(r, "delivery.source", &config->delivery.sources[i]);
    for (size_t i = 0; i < config->nsenders; i++)
        for (size_t k = 0; k < config->senders[i].nsources; k++)
            check_source(r, "senders.source", &config->senders[i].sources[k]);
}

// A refresh token that the provider replaces goes through a file beside the old one.
static void check_refresh(struct report *r, const struct cfg_login *login)
{
    const char *file = login->oauth.refresh_token_file;
    char *folder = mem_dup(file), *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    if (login_kind(login) == LOGIN_BY_REFRESH &&
        faccessat(AT_FDCWD, slash ? folder : ".", W_OK | X_OK, AT_EACCESS) < 0)
        check_say(r, "ERROR",
                  "oauth: a new refresh token cannot be written beside %s (%s); it belongs below "
                  "/var/lib/waxwing",
                  file, strerror(errno));
    free(folder);
}

static void check_refresh_tokens(struct report *r, const struct config *config)
{
    for (size_t i = 0; i < config->delivery.ndestinations; i++)
        check_refresh(r, &config->delivery.destinations[i].login);
    for (size_t i = 0; i < config->nsenders; i++)
        check_refresh(r, &config->senders[i].login);
}

// The nearest folder that is there decides whether one below it can be made.
static void check_can_be_made(struct report *r, const char *key, const char *path)
{
    char *part = mem_dup(path);
    struct stat st;
    char *slash;
    while (stat(part, &st) < 0 && (slash = strrchr(part, '/')) && slash != part)
        *slash = 0;
    if (stat(part, &st) < 0 || !S_ISDIR(st.st_mode))
        check_say(r, "ERROR", "%s: %s cannot be made: %s is no directory", key, path, part);
    else if (access(part, W_OK | X_OK) < 0 && errno != EROFS) // which is told apart
        check_say(r, "ERROR", "%s: %s cannot be made or written: %s: %s", key, path, part,
                  strerror(errno));
    free(part);
}

static void check_room(struct report *r, const struct config *config)
{
    struct statvfs disk;
    if (statvfs(config->spool, &disk) < 0)
        return;
    uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (room < config->limits.disk_reserve)
        check_say(r, "ERROR",
                  "spool: %llu MiB are free, less than limits.disk_reserve (%llu MiB): new mail is "
                  "refused",
                  (unsigned long long)(room >> 20),
                  (unsigned long long)(config->limits.disk_reserve >> 20));
    else
        check_say(r, "ok", "spool: %llu MiB are free", (unsigned long long)(room >> 20));
}

static void check_folders(struct report *r, const struct config *config)
{
    struct buf lines;
    struct why why;
    buf_init(&lines, 65536);
    check_can_be_made(r, "spool", config->spool);
    char *folder = mem_dup(config->state), *slash = strrchr(folder, '/');
    if (slash && slash != folder)
        *slash = 0;
    check_can_be_made(r, "state", folder);
    if (config->trace.size)
        check_can_be_made(r, "trace.directory", config->trace.directory);
    if (privileges_borrow(config->user, &why) == 0) { // as the one who will use them
        ownership_look(config, &lines);
        ownership_tell_read_only("state", folder, &lines);
        if (config->trace.size)
            ownership_tell_read_only("trace.directory", config->trace.directory, &lines);
        check_refresh_tokens(r, config);
        privileges_return();
    }
    free(folder);
    check_lines(r, "ERROR", &lines);
    buf_free(&lines);
    check_room(r, config);
}

static void check_clock(struct report *r)
{
    char now[40];
    clock_rfc3339(clock_ms(), now);
    if (!clock_is_set())
        check_say(r, "ERROR", "%s" CLOCK_UNSET, now);
}

void check_machine(struct report *r, const struct config *config)
{
    check_clock(r);
    check_ports(r, config);
    check_sources(r, config);
    check_folders(r, config);
}
