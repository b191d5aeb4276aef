// SPDX-License-Identifier: ISC
// Logging in over the library.
#include "relay/sasl/client.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/sasl/inside.h"

struct sasl_client {
    struct sasl sasl; // first
    bool bound;
    unsigned char binding[SASL_BINDING];
    char *user, *password;
};

static void client_property(struct sasl *sasl, Gsasl_property property)
{
    struct sasl_client *c = (struct sasl_client *)(void *)sasl;
    if (property == GSASL_AUTHID)
        gsasl_property_set(sasl->session, property, c->user);
    else if (property == GSASL_PASSWORD)
        gsasl_property_set(sasl->session, property, c->password);
    else if (property == GSASL_CB_TLS_EXPORTER && c->bound)
        sasl_set_binding(sasl, c->binding);
}

// The server's first message of SCRAM says how much we are to compute (RFC 5802 section 5.1): "r=...,s=...,i=4096".
static int client_look(struct sasl *sasl, struct span message, struct why *why)
{
    (void)sasl;
    struct span rest = message, part;
    uint64_t n;
    if (!span_starts_nocase(message, "r="))
        return 0;
    while (rest.n) {
        if (!span_cut(rest, ',', &part, &rest)) {
            part = rest;
            rest = span_of("", 0);
        }
        if (part.n > 2 && part.p[0] == 'i' && part.p[1] == '=' &&
            !span_number(span_from(part, 2), SASL_CLIENT_ITERATIONS, &n))
            return why_say(why, SASL_ITERATIONS);
    }
    return 0;
}

static void client_free(struct sasl *sasl)
{
    struct sasl_client *c = (struct sasl_client *)(void *)sasl;
    explicit_bzero(c->password, strlen(c->password));
    free(c->password);
    free(c->user);
    explicit_bzero(c, sizeof *c);
    free(c);
}

struct sasl *sasl_client(enum sasl_mechanism mechanism, const char *user, const char *password,
                         const unsigned char *binding, struct why *why)
{
    static const struct sasl_side side = {false, client_property, client_look, client_free};
    struct sasl_client *c = mem_new(sizeof *c);
    c->user = mem_dup(user);
    c->password = mem_dup(password);
    c->bound = binding != NULL;
    if (binding)
        memcpy(c->binding, binding, SASL_BINDING);
    if (sasl_begin(&c->sasl, &side, mechanism, why) == 0)
        return &c->sasl;
    client_free(&c->sasl);
    return NULL;
}
