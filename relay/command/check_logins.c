// SPDX-License-Identifier: ISC
// Who proves logins: the backend, and whether those of the users file can use what is offered.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "relay/command/check.h"
#include "relay/login/dovecot_text.h"
#include "relay/setup/privileges.h"

#define PATIENCE_S 5

static int call_dovecot(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
        connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

// Whole lines of the greeting. True: it is complete.
static bool read_lines(struct buf *in, bool offers[static SASL_MECHANISMS], bool *broken)
{
    struct span head, rest = buf_span(in);
    struct dovecot_line line;
    bool done = false;
    while (!done && !*broken && span_cut(rest, '\n', &head, &rest)) {
        *broken = dovecot_parse(head, &line) < 0 ||
                  (line.word == DOVECOT_VERSION && line.number != DOVECOT_MAJOR);
        if (line.word == DOVECOT_MECH && line.mechanism != SASL_MECHANISMS)
            offers[line.mechanism] = true;
        done = line.word == DOVECOT_DONE;
    }
    buf_drop(in, in->len - rest.n);
    return done;
}

static bool greet(int fd, bool offers[static SASL_MECHANISMS])
{
    struct buf hello, in;
    bool done = false, broken = false;
    buf_init(&hello, 256);
    buf_init(&in, 65536);
    dovecot_write_hello((uint32_t)getpid(), &hello);
    broken = send(fd, hello.data, hello.len, MSG_NOSIGNAL) != (ssize_t)hello.len;
    while (!done && !broken) {
        unsigned char *room;
        ssize_t n = buf_reserve(&in, 4096, &room) == 0 ? recv(fd, room, 4096, 0) : -1;
        in.len += n > 0 ? (size_t)n : 0;
        broken = n <= 0;
        done = !broken && read_lines(&in, offers, &broken);
    }
    buf_free(&hello);
    buf_free(&in);
    return done;
}

static void check_dovecot(struct report *r, const char *path)
{
    bool offers[SASL_MECHANISMS] = {false};
    int fd = call_dovecot(path);
    if (fd < 0) {
        check_say(r, "ERROR", "auth.dovecot: %s: %s%s", path, strerror(errno),
                  errno == EACCES ? "; the unix_listener of Dovecot's service auth has to let the "
                                    "relay's user in"
                                  : "");
        return;
    }
    if (!greet(fd, offers))
        check_say(r, "ERROR", "auth.dovecot: what answers at %s is no Dovecot auth service", path);
    else if (!offers[SASL_PLAIN])
        check_say(r, "ERROR", "auth.dovecot: Dovecot at %s offers no PLAIN (auth_mechanisms)",
                  path);
    else
        check_say(r, "ok", "Dovecot proves logins at %s, PLAIN and LOGIN%s", path,
                  offers[SASL_SCRAM_SHA_256] ? " and SCRAM-SHA-256" : "");
    close(fd);
}

static void check_program(struct report *r, const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        check_say(r, "ERROR", "auth.command: %s: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
        check_say(r, "ERROR", "auth.command: %s is no program that the relay may run", path);
    else if ((st.st_mode & 0022) == 0020) // by everybody: told by rights_look
        check_say(r, "warning",
                  "auth.command: %s, which sees passwords, can be written by others than its owner",
                  path);
    else
        check_say(r, "ok", "%s proves logins", path);
}

static bool may_offer_scram(const struct cfg_auth *auth)
{
    for (size_t i = 0; i < auth->mechanisms.n; i++)
        if (sasl_is_scram(sasl_mechanism(span_text(auth->mechanisms.at[i]))))
            return true;
    return false;
}

void check_logins(struct report *r, const struct config *config, const struct setup *setup)
{
    const struct users *users = setup ? setup->users : NULL;
    size_t verifiers = users ? users_verifiers(users) : 0;
    struct why why;
    if (privileges_borrow(config->user, &why) == 0) { // as the one who will use them
        if (config->auth.dovecot[0])
            check_dovecot(r, config->auth.dovecot);
        if (config->auth.command.n)
            check_program(r, config->auth.command.at[0]);
        privileges_return();
    }
    if (verifiers && may_offer_scram(&config->auth) &&
        (verifiers < users_count(users) || config->auth.command.n))
        check_say(r, "warning",
                  "SCRAM is offered and not everybody can use it (%zu of %zu in %s have a "
                  "verifier%s): clients that prefer it may not get in; waxwing user passwd "
                  "--scram, or auth.mechanisms",
                  verifiers, users_count(users), config->users,
                  config->auth.command.n ? ", and the program takes none" : "");
}
