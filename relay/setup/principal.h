// SPDX-License-Identifier: ISC
// Who sends, and as whom: the rows of `senders` against users, client addresses and mail addresses
// (ARCHITECTURE.md, Who may say what). Pure: configuration and facts in, answers out.
#ifndef RELAY_SETUP_PRINCIPAL_H
#define RELAY_SETUP_PRINCIPAL_H

#include <stdbool.h>
#include <sys/socket.h>
#include "config/config.h"

#define PRINCIPAL_NAME 320

struct principal {
    const struct cfg_sender
        *row; // of the configuration it was found in; NULL: no rule for this client
    bool is_user;
    char name[PRINCIPAL_NAME]; // user name, "network:10.0.0.0/24", "unix:www-data"; "" for nobody
};

// The user's row, else the first network row that holds the client; user NULL or "": not
// authenticated. A local client (address_uid): the row of its user, else that of everybody.
void principal_find(const struct config *config, const char *user, const struct sockaddr *client,
                    struct principal *out);
// The row behind a principal's name, as it was accepted from this client ("[192.0.2.1]"; NULL: not known): also in
// another configuration than the one it was found in. NULL: there is none any more. And the row's own name.
const struct cfg_sender *principal_row(const struct config *config, const char *name,
                                       const char *client);
void principal_row_name(const struct cfg_sender *row, char out[static PRINCIPAL_NAME]);

// The client is in a network row, or is a local user with a row: it is never banned.
bool principal_trusts(const struct config *config, const struct sockaddr *client);

// The name of whoever comes from that network.
void principal_network(const struct network *n, char out[static PRINCIPAL_NAME]);
// What completes an address without a domain: the first domain or address that the row names; "" without.
void principal_origin(const struct cfg_sender *row, char out[static PRINCIPAL_NAME]);

// The row may send as "local@domain"; domain a lower-case A-label. Local parts compare without case
// and without superfluous quotes.
bool principal_may_send(const struct cfg_sender *row, const char *address, const char *domain);
// The same without `*`: addresses that are the principal's own, which a seal never makes genuine.
bool principal_owns(const struct cfg_sender *row, const char *address, const char *domain);
// The domain is, or is below, one that a row's domain patterns name: where its MAILER-DAEMON may
// live.
bool principal_own_domain(const struct cfg_sender *row, const char *domain);
// The address is MAILER-DAEMON, postmaster or double-bounce at one of the hosts whose notices the row
// hands on (`bounces_from`).
bool principal_bounces(const struct cfg_sender *row, const char *address, const char *domain);
// The same where `address` is an envelope sender: double-bounce alone, with which Postfix sends its notices
// to the postmaster.
bool principal_double_bounce(const struct cfg_sender *row, const char *address, const char *domain);

#endif
