// SPDX-License-Identifier: ISC
// Questions about a login at a next hop, pure. NULL is a login that nobody makes.
#ifndef CONFIG_LOGIN_H
#define CONFIG_LOGIN_H

#include "config/next_hop.h"
#include "relay/base/buf.h"

enum login_kind {
    LOGIN_NONE,
    LOGIN_BY_PASSWORD,
    LOGIN_BY_COMMAND, // what prints a token
    LOGIN_BY_CLIENT,  // client_credentials (RFC 6749 section 4.4)
    LOGIN_BY_REFRESH, // refresh_token (section 6)
    LOGIN_BY_ACCOUNT  // a service account's assertion (RFC 7523 section 2.1)
};
// By what is given; NULL is none.
enum login_kind login_kind(const struct cfg_login *login);
const char *login_kind_word(enum login_kind kind); // "password", "client_credentials", ...
// The token comes from an endpoint.
bool login_fetches(const struct cfg_login *login);
// All that tells it from another login, for keys.
void login_identity(const struct cfg_login *login, struct buf *out);
// Two logins, or none on either side, are the same.
bool login_same(const struct cfg_login *a, const struct cfg_login *b);
bool login_provider_is(const struct cfg_login *login, const char *provider);
// What the provider leaves open: endpoint and scope.
void login_complete(struct cfg_login *login);

#endif
