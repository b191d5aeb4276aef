// SPDX-License-Identifier: ISC
// XFORWARD and XCLIENT, by which an upstream Postfix or proxy says whose mail it hands on (Postfix's
// XFORWARD_README and XCLIENT_README; there is no RFC). Pure. Whether the principal may say so is
// relay/submit/forward.c's question.
#include "relay/smtp/command.h"

#include <string.h>
#include "relay/base/address.h"

static bool is_unknown(struct span value)
{
    return !value.n || span_is_nocase(value, "[UNAVAILABLE]") ||
           span_is_nocase(value, "[TEMPUNAVAIL]");
}

static int read_text(struct span value, char out[static MAX_DOMAIN + 1])
{
    out[0] = 0;
    if (is_unknown(value))
        return 0;
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] < 33)
            return -1;
    memcpy(out, value.p, value.n); // the caller's buffer has the same ceiling
    out[value.n] = 0;
    return 0;
}

static int read_addr(struct span value, struct smtp_forward *out)
{
    out->has_client = false;
    if (is_unknown(value))
        return 0;
    bool six = span_starts_nocase(value, "IPv6:");
    struct sockaddr_storage address;
    if (!address_read(six ? span_from(value, 5) : value, 0, &address) ||
        address.ss_family != (six ? AF_INET6 : AF_INET))
        return -1;
    out->addr = address;
    out->has_client = true;
    return 0;
}

static int read_source(struct span value, struct smtp_forward *out)
{
    out->local = span_is_nocase(value, "LOCAL");
    return out->local || is_unknown(value) || span_is_nocase(value, "REMOTE") ? 0 : -1;
}

// Of those that tell us nothing: the client's port and protocol, the server that it meant, its login
// (the principal is who speaks to us). The rest is for logs that we do not write.
static bool is_idle(struct span name, bool xclient)
{
    static const char *const forward[] = {"PORT", "PROTO", "IDENT", NULL};
    static const char *const client[] = {"PORT", "PROTO", "LOGIN", "DESTADDR", "DESTPORT", NULL};
    for (const char *const *idle = xclient ? client : forward; *idle; idle++)
        if (span_is_nocase(name, *idle))
            return true;
    return false;
}

static int attribute(struct span name, struct span value, bool xclient, struct smtp_forward *out)
{
    if (span_is_nocase(name, "ADDR"))
        return read_addr(value, out);
    if (span_is_nocase(name, "HELO"))
        return read_text(value, out->helo);
    if (span_is_nocase(name, "NAME"))
        return read_text(value, out->name);
    if (span_is_nocase(name, "SOURCE") && !xclient)
        return read_source(value, out);
    return is_idle(name, xclient) ? 0 : -1;
}

static int parse(struct span args, bool xclient, struct smtp_forward *out, struct why *why)
{
    struct smtp_forward result = *out;
    int rc = args.n ? 0 : -1;
    result.given = true;
    for (bool more = rc == 0; more;) {
        struct span word, rest = {0}, name, value;
        more = span_cut(args, ' ', &word, &rest);
        if (!more)
            word = args;
        args = rest;
        if (!word.n)
            continue;
        struct buf decoded;
        buf_init(&decoded, MAX_DOMAIN);
        if (!span_cut(word, '=', &name, &value) || smtp_xtext(value, &decoded) < 0 ||
            attribute(name, buf_span(&decoded), xclient, &result) < 0)
            rc = -1;
        buf_free(&decoded);
    }
    if (rc < 0)
        return why_say(why, ATTRIBUTE_SYNTAX, xclient ? "XCLIENT" : "XFORWARD");
    *out = result;
    return 0;
}

int smtp_forward_parse(struct span args, struct smtp_forward *out, struct why *why)
{
    return parse(args, false, out, why);
}

int smtp_xclient_parse(struct span args, struct smtp_forward *out, struct why *why)
{
    return parse(args, true, out, why);
}
