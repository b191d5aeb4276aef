// SPDX-License-Identifier: ISC
// The way in, as other relays see it: MX hosts and their TLSA records (RFC 7672), MTA-STS (RFC 8461), TLS-RPT
// (RFC 8460). A route as this relay would take it does not serve here: it knows that the MX may be itself.
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "dns/rdata.h"
#include "relay/audit/inside.h"
#include "relay/base/maxima.h"
#include "tls/dane.h"
#include "tls/sts.h"
#include "tls/tlsrpt.h"

#define SHORT_AGE_S 604800 // a policy that is forgotten within a week protects little

struct mx_hosts {
    char names[MAX_MX_HOSTS][256];
    size_t n;
    bool secure; // the set of names is
};

static void find_hosts(const struct dns_answer *answer, const char *domain, struct mx_hosts *out)
{
    struct dns_mx mx;
    out->secure = answer->proof == DNS_SECURE;
    for (size_t i = 0; i < answer->nrecords && out->n < MAX_MX_HOSTS; i++)
        if (rdata_mx(answer->records[i].rdata, &mx) && *mx.host)
            snprintf(out->names[out->n++], 256, "%s", mx.host);
    if (answer->outcome == DNS_ABSENT) // RFC 5321 section 5.1: the domain itself
        snprintf(out->names[out->n++], 256, "%s", domain);
}

// --- TLSA ---

static size_t mx_usable(const struct dns_answer *answer)
{
    size_t n = 0;
    struct dns_tlsa tlsa;
    for (size_t i = 0; i < answer->nrecords; i++)
        n += rdata_tlsa(answer->records[i].rdata, &tlsa) && dane_usable(&tlsa);
    return n;
}

static void suggest_tlsa(struct audit_finding *f, const char *name)
{
    audit_publish(f, name, "TLSA", "3 1 1 <SHA-256 of the server's public key, in hexadecimal>");
}

// The host has an address, securely or not; -1: not known, or none, which is said.
static int address_secure(struct audit_pass *a, const char *host)
{
    const struct dns_answer *v4 = audit_ask(a, "mx", host, DNS_A);
    const struct dns_answer *v6 = audit_ask(a, "mx", host, DNS_AAAA);
    if (!v4 || !v6)
        return -1;
    if (v4->outcome != DNS_FOUND && v6->outcome != DNS_FOUND) {
        if (strcmp(host, a->in->domain) == 0)
            audit_say(a, AUDIT_PROBLEM, "mx", "%s has neither MX nor address: nobody can answer",
                      host);
        else
            audit_say(a, AUDIT_PROBLEM, "mx", "the MX host %s of %s has no address", host,
                      a->in->domain);
        return -1;
    }
    return v4->proof == DNS_SECURE && v6->proof == DNS_SECURE;
}

static void look_at_host(struct audit_pass *a, const struct mx_hosts *hosts, const char *host)
{
    char name[300];
    snprintf(name, sizeof name, "_25._tcp.%s", host);
    int secure = address_secure(a, host);
    // Senders do not even ask where the address is not signed (RFC 7672 section 2.2.2).
    const struct dns_answer *tlsa = facts_ask(a->facts, name, DNS_TLSA);
    if (!tlsa)
        a->waits = true;
    if (secure < 0 || !tlsa)
        return;
    if (!secure || !hosts->secure) {
        if (tlsa->outcome == DNS_FOUND)
            audit_say(a, AUDIT_ADVICE, "tlsa",
                      "the TLSA records of %s have no effect: the DNS of %s is not signed", host,
                      secure ? a->in->domain : host);
    } else if (tlsa->outcome == DNS_FAILED) {
        audit_say(a, AUDIT_PROBLEM, "tlsa",
                  "the TLSA records of %s cannot be looked up, so that senders hold mail back: %s",
                  host, tlsa->why.text)
            ->temporary = tlsa->silent; // nobody answers us anything: that says nothing of others
    } else if (tlsa->outcome == DNS_FOUND && tlsa->proof != DNS_SECURE) {
        audit_say(a, AUDIT_PROBLEM, "tlsa", "%s is not signed and has no effect", name);
    } else if (tlsa->outcome != DNS_FOUND) {
        suggest_tlsa(audit_say(a, AUDIT_ADVICE, "tlsa",
                               "%s could have TLSA records: its DNS is signed", host),
                     name);
    } else if (!mx_usable(tlsa)) {
        suggest_tlsa(
            audit_say(a, AUDIT_PROBLEM, "tlsa", "none of the TLSA records of %s is usable", host),
            name);
    } else {
        audit_say(a, AUDIT_OK, "tlsa", "usable TLSA records of %s: %zu", host, mx_usable(tlsa));
    }
}

// --- MTA-STS ---

static void suggest_sts(struct audit_pass *a, struct audit_finding *f)
{
    char name[300], id[STS_ID_MAX + 1];
    struct tm utc;
    time_t now = (time_t)a->in->now_s;
    if (!gmtime_r(&now, &utc) || !strftime(id, sizeof id, "%Y%m%dT%H%M%S", &utc))
        return;
    snprintf(name, sizeof name, "_mta-sts.%s", a->in->domain);
    audit_publish(f, name, "TXT", "v=STSv1; id=%s", id);
}

// Our DNS does not say where the policy host is: that it has no good policy is then not known.
static bool policy_host_unknown(struct audit_pass *a)
{
    char host[300];
    snprintf(host, sizeof host, "mta-sts.%s", a->in->domain);
    const struct dns_answer *v4 = facts_ask(a->facts, host, DNS_A),
                            *v6 = facts_ask(a->facts, host, DNS_AAAA);
    if (!v4 || !v6)
        a->waits = true;
    return v4 && v6 && v4->outcome != DNS_FOUND && v6->outcome != DNS_FOUND &&
           (v4->outcome == DNS_FAILED || v6->outcome == DNS_FAILED);
}

static void say_policy(struct audit_pass *a, const struct mx_hosts *hosts)
{
    const struct sts_view *view = a->in->sts;
    if (view->mode < 0) {
        audit_say(a, AUDIT_PROBLEM, "mta-sts", "the policy of %s cannot be had: %s", a->in->domain,
                  why_is_set(&view->error) ? view->error.text : "there is none")
            ->temporary = policy_host_unknown(a);
        return;
    }
    if (view->mode == STS_NONE) {
        audit_say(a, AUDIT_ADVICE, "mta-sts", "the policy of %s has mode none: it asks for nothing",
                  a->in->domain);
        return;
    }
    bool enforce = view->mode == STS_ENFORCE;
    for (size_t i = 0; i < hosts->n; i++)
        if (!sts_view_covers(view, hosts->names[i]))
            audit_say(a, enforce ? AUDIT_PROBLEM : AUDIT_ADVICE, "mta-sts",
                      "no mx line of the policy covers %s: senders do not deliver there",
                      hosts->names[i]);
    if (view->expires_s - view->fetched_s < SHORT_AGE_S)
        audit_say(a, AUDIT_ADVICE, "mta-sts",
                  "senders forget the policy of %s after %lld seconds; weeks are usual",
                  a->in->domain, (long long)(view->expires_s - view->fetched_s));
    audit_say(a, enforce ? AUDIT_OK : AUDIT_ADVICE, "mta-sts", "the policy of %s has mode %s",
              a->in->domain, sts_mode_word((enum sts_mode)view->mode));
}

static void look_at_sts(struct audit_pass *a, const struct mx_hosts *hosts)
{
    char name[300], id[STS_ID_MAX + 1];
    struct audit_texts texts;
    struct why why;
    bool found;
    snprintf(name, sizeof name, "_mta-sts.%s", a->in->domain);
    const struct dns_answer *answer = audit_ask(a, "mta-sts", name, DNS_TXT);
    if (!answer)
        return;
    audit_texts_read(answer, &texts);
    size_t meant = 0; // several count as none, which is another thing than none
    for (size_t i = 0; i < texts.n; i++)
        meant += span_starts_nocase(texts.at[i], "v=STSv1");
    if (sts_record_parse(texts.at, texts.n, id, &found, &why) < 0 || (!found && meant))
        suggest_sts(a, audit_say(a, AUDIT_PROBLEM, "mta-sts", "%s: %s", name, why.text));
    else if (!found)
        suggest_sts(a, audit_say(a, AUDIT_ADVICE, "mta-sts",
                                 "%s has no MTA-STS policy (a policy at "
                                 "https://mta-sts.%s/.well-known/mta-sts.txt, and this record)",
                                 a->in->domain, a->in->domain));
    else if (a->in->sts)
        say_policy(a, hosts);
    audit_texts_free(&texts);
}

// --- TLS-RPT ---

static void look_at_tlsrpt(struct audit_pass *a)
{
    char name[300];
    struct audit_texts texts;
    struct strings rua;
    struct why why;
    bool found;
    snprintf(name, sizeof name, "_smtp._tls.%s", a->in->domain);
    const struct dns_answer *answer = audit_ask(a, "tls-rpt", name, DNS_TXT);
    if (!answer)
        return;
    audit_texts_read(answer, &texts);
    int rc = tlsrpt_record_parse(texts.at, texts.n, &rua, &found, &why);
    if (rc == 0 && found) {
        audit_say(a, AUDIT_OK, "tls-rpt", "reports about TLS to %s go to %s%s", a->in->domain,
                  rua.at[0], rua.n > 1 ? " and others" : "");
    } else {
        bool wrong = rc < 0 || why_is_set(&why);
        struct audit_finding *f =
            audit_say(a, wrong ? AUDIT_PROBLEM : AUDIT_ADVICE, "tls-rpt", "%s: %s", name,
                      wrong ? why.text : "nobody is asked to report TLS failures");
        audit_publish(f, name, "TXT", "v=TLSRPTv1; rua=mailto:postmaster@%s", a->in->domain);
    }
    tlsrpt_rua_free(&rua);
    audit_texts_free(&texts);
}

void audit_mx(struct audit_pass *a)
{
    struct mx_hosts hosts = {0};
    const struct dns_answer *answer = audit_ask(a, "mx", a->in->domain, DNS_MX);
    if (answer) {
        find_hosts(answer, a->in->domain, &hosts);
        if (!hosts.n)
            audit_say(a, AUDIT_OK, "mx", "%s takes no mail (null MX)", a->in->domain);
        for (size_t i = 0; i < hosts.n; i++)
            look_at_host(a, &hosts, hosts.names[i]);
        if (hosts.n)
            look_at_sts(a, &hosts);
    }
    look_at_tlsrpt(a);
}
