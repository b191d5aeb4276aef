// SPDX-License-Identifier: ISC
// Who failed to log in too often, and may not try again for a while: clients and users. One object in a process, any
// thread, behind one mutex that is touched once a connection and login. Bans outlive a restart in the state database;
// counts that are not yet a ban do not.
//
// A client is an IPv4 address or an IPv6 /64 ("192.0.2.1", "2001:db8::/64"). Tables are bounded, and peers choose the
// names, so the hash is seeded. Durations are monotonic; what is shown and kept is wall time, and a clock that was set
// back makes no ban of a restart longer than `auth.ban`.
#ifndef RELAY_LOGIN_BANS_H
#define RELAY_LOGIN_BANS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define BANS_ENTRIES 65536 // of one kind; the oldest makes room

struct bans;
struct state;

// `state` NULL: nothing is kept. `most_ms`: no ban from before lasts longer than this from now.
struct bans *bans_new(struct state *state, uint64_t most_ms);
void bans_free(struct bans *bans); // accepts NULL

// A failed login. A ban begins with the `failures`-th within ban_ms of one another and lasts ban_ms; it is logged.
// client or user may be NULL: that side is not counted. `failures` or ban_ms 0: nobody is banned. True: one began.
bool bans_failed(struct bans *bans, const struct sockaddr *client, const char *user,
                 uint64_t failures, uint64_t ban_ms);
// A login that worked: the client's count starts again, and for a day a ban of the user does not
// hold for this client (a stranger cannot lock a user out of where that user works).
void bans_proved(struct bans *bans, const struct sockaddr *client, const char *user);
bool bans_client(struct bans *bans, const struct sockaddr *client);
bool bans_user(struct bans *bans, const struct sockaddr *client, const char *user);

enum ban_kind { BAN_CLIENT, BAN_USER, BAN_KINDS };
const char *ban_kind_word(enum ban_kind kind); // "client", "user"
struct ban {
    enum ban_kind kind;
    const char *name;           // the client or user, as above; users' names are a peer's words
    int64_t since_ms, until_ms; // wall clock
    uint64_t failures;          // since the last success, those while banned not counted
};
uint64_t bans_count(struct bans *bans); // that hold now
// Those that hold now, in no order; `fn` is called after the mutex was left.
void bans_each(struct bans *bans, void (*fn)(void *arg, const struct ban *ban), void *arg);
// Lifts the bans of that name, of either kind; an address stands for its /64, NULL for all. How many; logged with who
// did it.
uint64_t bans_lift(struct bans *bans, const char *name, const char *by);

// A ban that began on another relay of the fleet, for at most most_ms from now; one that lasts longer here stays. And one
// that was lifted there: what began at `until_ms` or before.
void bans_hear(struct bans *bans, const struct ban *ban, uint64_t most_ms);
void bans_hear_lifted(struct bans *bans, enum ban_kind kind, const char *name, int64_t until_ms);

#endif
