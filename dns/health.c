// SPDX-License-Identifier: ISC
// What the answer to the self-check means. An out-of-date trust anchor makes the whole world bogus, so
// it is told as that.
#include "dns/health.h"

#include <stdio.h>
#include <string.h>
#include "dns/anchor.h"
#include "relay/base/clock.h"

// The root's key signing key of 2024, which signs since the roll of 2026-10-11.
#define ROOT_KEY         38696
#define ROOT_KEY_SINCE_S INT64_C(1791676800)

static void tell_bogus(const struct health_input *facts, const struct dns_answer *answer, char *out,
                       size_t size)
{
    const char *name = answer->name[0] ? answer->name : ".";
    if (facts->mode == DNS_STUB) {
        snprintf(out, size, "%s is bogus for the DNS server: its trust anchor may be out of date",
                 name);
        return;
    }
    struct anchor anchor;
    char keys[ANCHOR_KEYS * 6 + 8];
    anchor_load(facts->trust_anchor, &anchor);
    anchor_print(&anchor, keys, sizeof keys);
    if (!anchor_has(&anchor, ROOT_KEY) && clock_s() >= ROOT_KEY_SINCE_S)
        snprintf(out, size,
                 "the trust anchor %s may be out of date (keys %s): the root signs with key %d "
                 "since 2026-10-11. %s",
                 facts->trust_anchor, keys, ROOT_KEY, answer->why.text);
    else
        snprintf(out, size,
                 "the trust anchor %s may be out of date (keys %s), or this machine's clock is "
                 "wrong. %s",
                 facts->trust_anchor, keys, answer->why.text);
}

// Not one answer: what a firewall does. The words go to the operator, so they may name the server.
static void tell_unreachable(const struct health_input *facts, const struct dns_answer *answer,
                             char *out, size_t size)
{
    if (facts->mode == DNS_STUB)
        snprintf(
            out, size,
            "no DNS server of dns.servers answers (the last one asked: %s): it does not run, or "
            "port 53 (UDP and TCP; 853 for DNS over TLS) is blocked on the way. %s",
            answer->server ? answer->server : "?", answer->why.text);
    else
        snprintf(out, size,
                 "no root server answers: port 53 (UDP and TCP) is blocked on the way out, or this "
                 "machine has no network. dns.mode stub asks a server that you name. %s",
                 answer->why.text);
}

static bool is_unreachable(const struct health_input *facts, const struct dns_answer *answer)
{
    if (answer->outcome != DNS_FAILED || answer->proof == DNS_BOGUS)
        return false;
    return answer->silent ||
           facts->mode == DNS_RECURSIVE; // where libunbound says SERVFAIL of itself
}

static void health_tell(const struct health_input *facts, const struct dns_answer *answer,
                        char *out, size_t size)
{
    const char *name = answer->name[0] ? answer->name : ".";
    if (is_unreachable(facts, answer))
        tell_unreachable(facts, answer, out, size);
    else if (!facts->can_prove)
        snprintf(out, size,
                 "no DNS server is trusted to validate (dns.dnssec is %s): nothing is secure, and "
                 "DANE cannot be used",
                 facts->trust == DNS_TRUST_OFF
                     ? "off"
                     : "auto: 127.0.0.1, ::1 and servers with a tls_name are");
    else if (answer->proof == DNS_BOGUS)
        tell_bogus(facts, answer, out, size);
    else if (answer->outcome == DNS_FAILED)
        snprintf(out, size, "%s%s%s", answer->why.text, answer->server ? ", by " : "",
                 answer->server ? answer->server : "");
    else if (facts->mode == DNS_STUB)
        snprintf(out, size, "%s is not secure: the DNS server does not validate (no AD bit)", name);
    else
        snprintf(out, size, "%s is not secure: it is not signed below the trust anchor %s", name,
                 facts->trust_anchor);
}

void health_judge(const struct health_input *facts, const struct dns_answer *answer,
                  struct dns_state *state)
{
    bool ok = facts->can_prove && answer->outcome != DNS_FAILED && answer->proof == DNS_SECURE;
    state->health = ok ? DNS_HEALTH_OK : DNS_HEALTH_BROKEN;
    state->checked_ms = clock_ms();
    state->unreachable = is_unreachable(facts, answer);
    state->text[0] = '\0';
    if (!ok)
        health_tell(facts, answer, state->text, sizeof state->text);
}
