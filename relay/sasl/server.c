// SPDX-License-Identifier: ISC
// SCRAM as a server. The library keeps the dialogue; here is who the client is and which keys belong to it.
#include "relay/sasl/server.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/sasl/inside.h"

#define NAME 256 // bytes with NUL

struct sasl_server {
    struct sasl sasl; // first
    bool plus, bound;
    unsigned char binding[SASL_BINDING];
    sasl_find_fn *find;
    void *arg;
    char name[NAME];
    struct verifier verifier;
};

static int server_bad(struct why *why, const char *text)
{
    return why_say(why, SASL_MESSAGE, text);
}

// saslname: "=2C" and "=3D" stand for a comma and an equals sign, and no other "=" is allowed.
static int unescape(struct span name, char *out, size_t size, struct why *why)
{
    size_t n = 0;
    for (size_t i = 0; i < name.n; i++) {
        char c = (char)name.p[i];
        struct span code = span_slice(name, i + 1, name.n < i + 3 ? name.n : i + 3);
        if (c == '=') {
            c = span_is(code, "2C") ? ',' : span_is(code, "3D") ? '=' : 0;
            i += 2;
        }
        if (c == 0 || n + 1 >= size)
            return server_bad(why, "this is no name of SCRAM");
        out[n++] = c;
    }
    out[n] = 0;
    return n ? 0 : server_bad(why, "SCRAM wants a name");
}

int sasl_first_name(struct span message, char *out, size_t size, struct why *why)
{
    struct span flag, authzid, name, rest;
    if (!span_cut(message, ',', &flag, &rest) || !span_cut(rest, ',', &authzid, &rest) ||
        !span_cut(rest, ',', &name, &rest) || name.n < 2 || name.p[0] != 'n' || name.p[1] != '=')
        return server_bad(why, "this is no first message of SCRAM");
    name = span_from(name, 2);
    // Compared as they came: one writing of a name is as good as the other only where it is the same. Some send an
    // empty one.
    bool other = authzid.n && !span_is(authzid, "a=") &&
                 (span_find(authzid, '=') != 1 || authzid.p[0] != 'a' ||
                  !span_equal(span_from(authzid, 2), name));
    if (other)
        return why_say(why, SASL_OTHER_USER);
    return unescape(name, out, size, why);
}

// The library leaks a name that SASLprep maps to nothing, so that it must not come to see one.
static bool is_prepared(const char *name)
{
    char *text = NULL;
    bool good = gsasl_saslprep(name, GSASL_ALLOW_UNASSIGNED, &text, NULL) == GSASL_OK && *text;
    gsasl_free(text);
    return good;
}

// RFC 5802 section 6: the first letter says what the client knows of channel bindings.
static int look_at_flag(const struct sasl_server *s, struct span message, struct why *why)
{
    unsigned char flag = message.n ? message.p[0] : 0;
    if (flag == 'y' && s->bound)
        return why_say(why, SASL_BINDING, "the client was told that no channel binding is offered");
    if (s->plus && flag != 'p')
        return why_say(why, SASL_BINDING, "-PLUS wants a channel binding");
    if (s->plus && !span_starts_nocase(message, "p=tls-exporter,"))
        return why_say(why, SASL_BINDING, "tls-exporter is the one channel binding here");
    if (!s->plus && flag == 'p')
        return server_bad(why, "a channel binding belongs to -PLUS");
    return 0;
}

static int server_look(struct sasl *sasl, struct span message, struct why *why)
{
    struct sasl_server *s = (struct sasl_server *)(void *)sasl;
    if (s->name[0])
        return 0;
    if (look_at_flag(s, message, why) < 0 ||
        sasl_first_name(message, s->name, sizeof s->name, why) < 0)
        return -1;
    if (!is_prepared(s->name))
        return server_bad(why, "this is no name of SCRAM");
    s->find(s->arg, s->name, &s->verifier);
    return 0;
}

static void server_property(struct sasl *sasl, Gsasl_property property)
{
    struct sasl_server *s = (struct sasl_server *)(void *)sasl;
    const struct verifier *v = &s->verifier;
    char number[16];
    snprintf(number, sizeof number, "%u", v->iterations);
    switch (property) {
    case GSASL_CB_TLS_EXPORTER:
        if (s->bound)
            sasl_set_binding(sasl, s->binding);
        break;
    case GSASL_SCRAM_ITER:
        gsasl_property_set(sasl->session, property, number);
        break;
    case GSASL_SCRAM_SALT:
        sasl_set_base64(sasl, property, v->salt, v->nsalt);
        break;
    case GSASL_SCRAM_STOREDKEY:
        sasl_set_base64(sasl, property, v->stored_key, VERIFIER_KEY);
        break;
    case GSASL_SCRAM_SERVERKEY:
        sasl_set_base64(sasl, property, v->server_key, VERIFIER_KEY);
        break;
    default:
        break;
    }
}

static void server_free(struct sasl *sasl)
{
    struct sasl_server *s = (struct sasl_server *)(void *)sasl;
    explicit_bzero(s, sizeof *s);
    free(s);
}

struct sasl *sasl_server(enum sasl_mechanism mechanism, const unsigned char *binding,
                         sasl_find_fn *find, void *arg, struct why *why)
{
    static const struct sasl_side side = {true, server_property, server_look, server_free};
    struct sasl_server *s = mem_new(sizeof *s);
    s->plus = mechanism == SASL_SCRAM_SHA_256_PLUS;
    s->bound = binding != NULL;
    if (binding)
        memcpy(s->binding, binding, SASL_BINDING);
    s->find = find;
    s->arg = arg;
    if (sasl_begin(&s->sasl, &side, mechanism, why) == 0)
        return &s->sasl;
    server_free(&s->sasl);
    return NULL;
}

const char *sasl_server_name(const struct sasl *sasl)
{
    return ((const struct sasl_server *)(const void *)sasl)->name;
}
