// SPDX-License-Identifier: ISC
// Where the fleet's database is: `fleet.database` read and checked, host by host, and what libpq is told about each.
// Opens no connection.
//
// A host is a name, an address or the folder of a Unix socket. Only sockets and loopback addresses go without TLS;
// everybody else proves a certificate for its name (sslmode verify-full), whatever the environment says.
#ifndef RELAY_FLEET_TARGET_H
#define RELAY_FLEET_TARGET_H

#include "config/config.h"
#include "relay/base/why.h"

#define TARGET_HOSTS 16
#define TARGET_WORDS 32 // parameters of a connection, with the NULL behind them

struct target {
    char *uri_database, *user; // who logs in, and where
    char *hosts[TARGET_HOSTS], *ports[TARGET_HOSTS];
    size_t nhosts;
    char *sslmode; // as it was written; NULL: nothing was
    char *password_file, *ca_file, *application;
};

// -1 with why, in words for whoever wrote it. `application`: what the server calls the connection. What is read belongs
// to the caller.
int target_parse(const struct cfg_fleet *fleet, const char *application, struct target *out,
                 struct why *why);
void target_free(struct target *target); // accepts one that is all zero
// "db.example.org:5432", or the folder of the socket.
const char *target_name(const struct target *target, size_t host, char *out, size_t size);

// What to call libpq with for one host: two arrays, NULL behind the last. `password` may be NULL. Borrowed from both.
void target_words(const struct target *target, size_t host, const char *password,
                  const char *keys[TARGET_WORDS], const char *values[TARGET_WORDS]);

#endif
