// SPDX-License-Identifier: ISC
// Checks across keys about client certificates: the rows that name them against the listeners that ask for them.
#include "config/rules.h"
#include "config/value.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/span.h"

// What all listeners together do.
struct asking {
    bool asks, believes;
};

static bool is_alternative_name(struct span text)
{
    struct span kind, name;
    return span_cut(text, ':', &kind, &name) && name.n > 0 &&
           (span_is(kind, "dns") || span_is(kind, "email") || span_is(kind, "uri"));
}

static void check_one(const char *text, struct asking all, const struct node *at,
                      struct messages *m)
{
    char quoted[VALUE_QUOTE], *pin = NULL;
    struct why why;
    if (is_alternative_name(span_text(text)) && !all.believes)
        messages_warning(m, at, "certificate: %s counts only where a listener has a 'client_ca'",
                         value_quote(span_text(text), quoted));
    else if (!is_alternative_name(span_text(text)) && value_pin(span_text(text), &pin, &why) < 0)
        messages_error(m, at,
                       "certificate: %s is neither sha256: and a digest nor dns:, email: or uri: "
                       "and a name",
                       value_quote(span_text(text), quoted));
    free(pin);
}

static void check_row(const struct cfg_sender *sender, struct asking all, const struct node *row,
                      struct messages *m)
{
    const struct node *at = node_get(row, "certificate");
    if (sender->certificate.n && !sender->user[0])
        messages_error(m, at, "certificate: belongs to rows with 'user'");
    if (sender->certificate.n && !all.asks)
        messages_warning(m, at,
                         "certificate: no listener asks for one with 'client_certificates: true'");
    for (size_t i = 0; i < sender->certificate.n; i++)
        check_one(sender->certificate.at[i], all, at, m);
}

void rules_check_client(const struct config *c, const struct node *root, struct messages *m)
{
    const struct node *listen = node_get(root, "listen"), *senders = node_get(root, "senders");
    struct asking all = {false, false};
    for (size_t i = 0; i < c->nlisten; i++) {
        const struct cfg_listen *l = &c->listen[i];
        const struct node *row = node_row(listen, i);
        all.asks |= l->client_certificates;
        all.believes |= l->client_certificates && l->client_ca[0];
        if (l->client_ca[0] && !l->client_certificates)
            messages_warning(m, node_get(row, "client_ca"),
                             "client_ca: has no effect without 'client_certificates: true'");
        if (l->client_certificates && l->address.ss_family == AF_UNIX)
            messages_error(m, node_get(row, "client_certificates"),
                           "client_certificates: a Unix socket has no TLS");
    }
    for (size_t i = 0; i < c->nsenders; i++)
        check_row(&c->senders[i], all, node_row(senders, i), m);
}
