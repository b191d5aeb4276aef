// SPDX-License-Identifier: ISC
// An explanation for somebody at two in the morning: the verdict first, then why, host by host, then what
// it rests on. Eighty columns.
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "relay/base/buf.h"
#include "relay/base/clock.h"
#include "relay/base/reasons.h"
#include "relay/log/json.h"
#include "relay/command/explain.h"
#include "relay/command/paragraph.h"

static void span_of_time(long long seconds, char out[static 32])
{
    long long s = seconds < 0 ? -seconds : seconds;
    if (s >= 2 * 86400)
        snprintf(out, 32, "%lld days", s / 86400);
    else if (s >= 2 * 3600)
        snprintf(out, 32, "%lld hours", s / 3600);
    else if (s >= 120)
        snprintf(out, 32, "%lld minutes", s / 60);
    else
        snprintf(out, 32, "%lld seconds", s);
}

static void join(const json_t *list, struct buf *out)
{
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item)
        buf_addf(out, "%s%s", i ? ", " : "", json_string_value(item));
}

static const char *demand_sentence(const json_t *host)
{
    const char *demand = json_word(host, "demand");
    if (strcmp(demand, "dane") == 0)
        return "must prove its TLSA records (DANE)";
    if (strcmp(demand, "webpki") == 0)
        return "must show a trusted certificate for its name";
    if (strcmp(demand, "encrypt") == 0)
        return "must encrypt (any certificate)";
    if (strcmp(demand, "opportunistic") == 0)
        return "may be clear text where it offers no TLS";
    return "is not used";
}

static void print_lists(const json_t *host, FILE *out)
{
    struct buf line;
    buf_init(&line, 65536);
    join(json_object_get(host, "addresses"), &line);
    if (line.len)
        paragraph(out, 4, "%s, port %lld", buf_text(&line), json_number_of(host, "port"));
    buf_reset(&line);
    join(json_object_get(host, "names"), &line);
    const char *demand = json_word(host, "demand");
    bool named = strcmp(demand, "webpki") == 0 || strcmp(demand, "dane") == 0;
    if (line.len && named)
        paragraph(out, 4, "names that count: %s", buf_text(&line));
    buf_free(&line);
    size_t i;
    const json_t *tlsa;
    json_array_foreach (json_object_get(host, "tlsa"), i, tlsa)
        fprintf(out, "    TLSA %s\n", json_string_value(tlsa));
}

// What we show of ourselves there.
static void print_login(const json_t *host, FILE *out)
{
    const json_t *login = json_object_get(host, "login");
    if (json_is_object(login))
        paragraph(out, 4, "logs in as %s (%s)", json_word(login, "user"), json_word(login, "by"));
    if (json_is_true(json_object_get(host, "certificate")))
        paragraph(out, 4, "shows a certificate where the host asks for one");
}

static void print_host(const json_t *host, FILE *out)
{
    const json_t *hop = json_object_get(host, "next_hop");
    fprintf(out, "\n  %s %lld %s  (DNSSEC: %s)\n", hop ? "Next hop" : "MX",
            json_number_of(host, hop ? "next_hop" : "preference"), json_word(host, "host"),
            json_word(host, "dnssec"));
    paragraph(out, 4, "%s; source: %s%s%s", demand_sentence(host), json_word(host, "source"),
              json_word(host, "tlsa_base")[0] ? ", TLSA at " : "", json_word(host, "tlsa_base"));
    if (json_word(host, "reason")[0])
        paragraph(out, 4, "because %s%s%s%s", json_word(host, "reason"),
                  json_word(host, "type")[0] ? " [" : "", json_word(host, "type"),
                  json_word(host, "type")[0] ? "]" : "");
    if (strcmp(json_word(host, "type"), "dane-required") == 0 &&
        strcmp(json_word(host, "dnssec"), "insecure") == 0)
        paragraph(out, 4,
                  "its zone is not signed (DNSSEC: insecure), so TLSA records are not "
                  "looked up: nothing would vouch for them");
    if (json_word(host, "watched")[0])
        paragraph(out, 4, "watched only: failing %s is recorded, mail goes all the same",
                  json_word(host, "watched"));
    print_login(host, out);
    print_lists(host, out);
}

static const char *way_sentence(const char *way)
{
    return strcmp(way, "rule") == 0        ? "named by a rule for the domain"
           : strcmp(way, "sender") == 0    ? "named by the sender's row"
           : strcmp(way, "smarthost") == 0 ? "named by delivery.smarthost"
           : strcmp(way, "operator") == 0  ? "named by an operator's redirection"
                                           : "";
}

static void print_way(const json_t *e, FILE *out)
{
    const char *named = way_sentence(json_word(e, "way"));
    size_t i;
    const json_t *source;
    if (json_is_true(json_object_get(e, "sender_unknown")))
        paragraph(out, 2, "No row of senders is about %s: its mail goes as everybody's.",
                  json_word(e, "sender"));
    if (named[0])
        paragraph(out, 2, "Next hops, tried in this order: %s.", named);
    json_array_foreach (json_object_get(e, "source"), i, source)
        paragraph(out, 2, "Connections come from %s, as %s.", json_word(source, "address"),
                  json_word(source, "helo"));
}

// `of`: whose record was asked for.
static void print_sts(const char *domain, const char *of, const json_t *sts, FILE *out)
{
    fprintf(out, "\n  MTA-STS%s%s\n", domain[0] ? " of " : "", domain);
    struct buf mx;
    buf_init(&mx, 65536);
    join(json_object_get(sts, "mx"), &mx);
    char age[32], left[32];
    if (!json_word(sts, "mode")[0]) {
        fputs("    no policy\n", out);
    } else {
        span_of_time(clock_s() - json_number_of(sts, "fetched"), age);
        span_of_time(json_number_of(sts, "expires") - clock_s(), left);
        paragraph(out, 4, "%s, id %s, %s, fetched %s ago, good for %s", json_word(sts, "mode"),
                  json_word(sts, "id"),
                  strcmp(json_word(sts, "source"), "fetch") == 0 ? "new" : "cached", age, left);
        paragraph(out, 4, "mx: %s", buf_text(&mx));
    }
    bool absent = strcmp(json_word(sts, "error"), reason_row(REASON_STS_NO_RECORD)->sentence) == 0;
    if (absent)
        paragraph(out, 4, "%s: the DNS answered that _mta-sts.%s has none", json_word(sts, "error"),
                  of);
    else if (json_word(sts, "error")[0])
        paragraph(out, 4, "%s%s%s%s", json_word(sts, "error"),
                  json_word(sts, "error_type")[0] ? " [" : "", json_word(sts, "error_type"),
                  json_word(sts, "error_type")[0] ? "]" : "");
    buf_free(&mx);
}

static void print_memory(const char *domain, const json_t *memory, FILE *out)
{
    size_t i;
    const json_t *row;
    if (json_array_size(memory))
        fprintf(out, "\n  TLS memory%s%s\n", domain[0] ? " of " : "", domain);
    json_array_foreach (memory, i, row) {
        char age[32];
        span_of_time(clock_s() - json_number_of(row, "seen"), age);
        paragraph(out, 4, "%s proved %s%s %s ago", json_word(row, "host"), json_word(row, "proved"),
                  json_is_true(json_object_get(row, "dane")) ? " (had TLSA records)" : "", age);
    }
}

static void print_rule(const json_t *rule, FILE *out)
{
    if (!json_is_object(rule))
        return;
    fprintf(out, "\n  Rule for %s\n", json_word(rule, "domain"));
    const json_t *until = json_object_get(rule, "until");
    if (json_is_true(json_object_get(rule, "expired")))
        paragraph(out, 4, "an exception that has run out and no longer counts: %s",
                  json_word(rule, "reason"));
    else if (json_is_null(until))
        paragraph(
            out, 4, "tls: %s%s", json_word(rule, "tls")[0] ? json_word(rule, "tls") : "not set",
            json_is_true(json_object_get(rule, "next_hop")) ? ", with a next hop of its own" : "");
    else
        paragraph(out, 4, "EXCEPTION: tls: %s replaces everything else: %s", json_word(rule, "tls"),
                  json_word(rule, "reason"));
}

static void print_records(const json_t *records, FILE *out)
{
    size_t i;
    const json_t *r;
    fputs("\n  Looked up\n", out);
    json_array_foreach (records, i, r) {
        fprintf(out, "    %-5s %-44s %s", json_word(r, "type"), json_word(r, "name"),
                json_word(r, "outcome"));
        bool same = strcmp(json_word(r, "dnssec"), json_word(r, "outcome")) == 0; // "failed"
        fprintf(out, "%s%s%s, ttl %lld\n",
                same ? "" : " (DNSSEC: ", same ? "" : json_word(r, "dnssec"), same ? "" : ")",
                json_number_of(r, "ttl"));
        if (json_word(r, "canonical")[0])
            paragraph(out, 10, "is an alias of %s", json_word(r, "canonical"));
        if (json_word(r, "reason")[0])
            paragraph(out, 10, "%s%s%s", json_word(r, "reason"),
                      json_word(r, "server")[0] ? ", by " : "", json_word(r, "server"));
    }
}

static void print_connection(const json_t *c, FILE *out)
{
    const char *result = json_word(c, "result");
    fprintf(out, "    %s [%s]: %s\n", json_word(c, "host"), json_word(c, "address"),
            strcmp(result, "proved") == 0   ? "proved what is demanded"
            : strcmp(result, "clear") == 0  ? "no TLS, and none is demanded"
            : strcmp(result, "failed") == 0 ? "FAILED"
                                            : "unreachable");
    if (json_word(c, "reason")[0])
        paragraph(out, 6, "%s%s%s%s", json_word(c, "reason"), json_word(c, "type")[0] ? " [" : "",
                  json_word(c, "type"), json_word(c, "type")[0] ? "]" : "");
    if (json_word(c, "protocol")[0])
        paragraph(out, 6, "%s %s, proof: %s", json_word(c, "protocol"), json_word(c, "cipher"),
                  json_word(c, "proof"));
    const json_t *watched = json_object_get(c, "watched");
    if (watched)
        paragraph(out, 6, "only watched, and recorded as a failure: %s [%s]",
                  json_word(watched, "reason"), json_word(watched, "type"));
    size_t i;
    const json_t *certificate;
    json_array_foreach (json_object_get(c, "certificate"), i, certificate)
        paragraph(out, 6, "certificate %zu: %s", i, json_string_value(certificate));
}

static void print_connections(const json_t *connect, FILE *out)
{
    size_t i;
    const json_t *c;
    if (!connect)
        return;
    fputs("\n  Connected\n", out);
    json_array_foreach (connect, i, c)
        print_connection(c, out);
}

static void print_failures(const json_t *failures, FILE *out)
{
    size_t i;
    const json_t *row;
    if (json_array_size(failures))
        fputs("\n  TLS failures of the last hour\n", out);
    json_array_foreach (failures, i, row)
        paragraph(out, 4, "%.19sZ %s%s%s [%s]: %s", json_word(row, "time"),
                  json_is_true(json_object_get(row, "refused")) ? "this relay did not send"
                                                                : "this relay sent all the same",
                  json_word(row, "host")[0] ? " to " : "", json_word(row, "host"),
                  json_word(row, "type"), json_word(row, "reason"));
}

static const char *sts_domain(const json_t *e)
{
    const char *hop = json_word(e, "next_hop_domain");
    return hop[0] ? hop : json_word(e, "domain");
}

static void print_policies(const json_t *e, FILE *out)
{
    const json_t *hops = json_object_get(e, "next_hops"), *hop;
    size_t i;
    json_array_foreach (hops, i, hop) {
        print_sts(json_word(hop, "domain"), json_word(hop, "domain"), json_object_get(hop, "sts"),
                  out);
        print_memory(json_word(hop, "domain"), json_object_get(hop, "memory"), out);
    }
    if (!hops)
        print_sts("", sts_domain(e), json_object_get(e, "sts"), out);
    print_rule(json_object_get(e, "rule"), out);
    if (!hops)
        print_memory("", json_object_get(e, "memory"), out);
}

void explain_print(const json_t *e, FILE *out)
{
    explain_print_headline(e, out);
    if (json_word(e, "dns")[0])
        paragraph(out, 2, "ALARM: DNSSEC validation does not work here: %s", json_word(e, "dns"));
    print_way(e, out);
    explain_print_advice(e, out);
    size_t i;
    const json_t *host;
    json_array_foreach (json_object_get(e, "mx"), i, host)
        print_host(host, out);
    print_connections(json_object_get(e, "connect"), out);
    explain_print_recent(e, out);
    explain_print_address(e, out);
    print_failures(json_object_get(e, "failures"), out);
    print_policies(e, out);
    print_records(json_object_get(e, "records"), out);
}
