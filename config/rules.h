// SPDX-License-Identifier: ISC
// What the table of keys cannot say of a single key: defaults that follow from other keys, and checks
// across keys. Looks at the document for what was written and where, at the configuration for values.
#ifndef CONFIG_RULES_H
#define CONFIG_RULES_H

#include "config/node.h"

// Fills what is computed: hostname and all that is made of it, listeners, ports, line numbers.
// `hostname` stands for the system's name, or NULL asks the system. config/complete.c.
void rules_complete(struct config *config, const struct node *root, const char *hostname);

// Takes in what `dkim.directory` holds. `m` NULL: what cannot be read is passed over. config/directory.c.
void rules_directory(struct config *config, const struct node *root, struct messages *m);

// root is NULL for an empty file. A value that did not parse has its default here, so a check that
// asks whether a key is there asks the document.
void rules_check(const struct config *config, const struct node *root, struct messages *m);

// A login, at `at` of the file under the name `key`; its `oauth` mapping or NULL. config/rules_next_hop.c, and what
// a row of senders says of its way, part of rules_check.
void rules_check_login(const struct cfg_login *login, const char *key, const struct node *at,
                       const struct node *oauth, struct messages *m);
void rules_check_sender_way(const struct config *config, const struct cfg_sender *sender,
                            const struct node *row, struct messages *m);

// The section `delivery`, part of rules_check. config/rules_delivery.c.
// rules_client.c
void rules_check_client(const struct config *config, const struct node *root, struct messages *m);
void rules_check_delivery(const struct config *config, const struct node *root, struct messages *m);

// What rows of `senders` say about rewriting and return addresses. config/rules_rewrite.c.
void rules_check_rewriting(const struct config *config, const struct node *root,
                           struct messages *m);

// An error at `list` for each that is no name of a header field (RFC 5322 section 2.2). config/rules.c.
void rules_fields(const struct strings *fields, const struct node *list, const char *key,
                  struct messages *m);
// The sections `events` and `event_log`, parts of the two above. config/rules_events.c.
void rules_complete_events(struct config *config);
void rules_check_events(const struct config *config, const struct node *root, struct messages *m);
// The section `fleet`, the same. config/rules_fleet.c.
void rules_complete_fleet(struct config *config);
void rules_check_fleet(const struct config *config, const struct node *root, struct messages *m);

// The rows of `milters`, and who names them. config/rules_milter.c.
void rules_check_milters(const struct config *config, const struct node *root, struct messages *m);

// An error at the later one of two rows of `list` that have the same text, for each such pair; ""
// is no text. `text` gives row i's. config/rules_unique.c.
void rules_unique(const struct node *list, size_t n, const char *key, const void *rows,
                  const char *(*text)(const void *rows, size_t i), struct messages *m);

#endif
