// SPDX-License-Identifier: ISC
// RFC 8460 section 4.4 in JSON. Sessions are summed per policy, failures per result, addresses and words.
#include "tls/report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/buf.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/base/table.h"

#define KEY_MAX 16777216 // bytes of a key in the tables below: a policy's strings

struct detail {
    UT_hash_handle hh;
    char *key;
    const struct ledger_entry *entry;
    bool summed; // stands for what was beyond the bound: the result type alone
    uint64_t count;
};

struct policy {
    UT_hash_handle hh;
    char *key;
    const struct ledger_entry *entry;
    uint64_t successes, failures;
    struct detail *details;
};

// A helo or a reason may hold what a peer wrote: made UTF-8 by force where it is not.
static json_t *tls_report_text(const char *s)
{
    json_t *j = json_string(s);
    if (j)
        return j;
    struct buf clean;
    buf_init(&clean, strlen(s) * 3 + 1);
    for (; *s; s++)
        if ((unsigned char)*s < 128)
            buf_addc(&clean, *s);
        else
            buf_adds(&clean, "\xef\xbf\xbd"); // U+FFFD
    j = json_string(buf_text(&clean));
    buf_free(&clean);
    return j;
}

static json_t *lines(const char *s)
{
    json_t *j = json_array();
    struct span rest = span_text(s), line;
    while (rest.n) {
        if (!span_cut(rest, '\n', &line, &rest)) {
            line = rest;
            rest = span_of(NULL, 0);
        }
        char *copy = span_dup(line);
        if (line.n)
            json_array_append_new(j, tls_report_text(copy));
        free(copy);
    }
    return j;
}

static char *joined(const char *const *parts, size_t n)
{
    struct buf key;
    buf_init(&key, KEY_MAX);
    for (size_t i = 0; i < n; i++)
        buf_addf(&key, "%zu:%s", strlen(parts[i]), parts[i]);
    char *out = buf_take(&key);
    return out;
}

static struct policy *policy_for(struct policy **policies, const struct ledger_entry *f)
{
    const char *const parts[] = {policy_type_word(f->policy_type), f->policy_domain,
                                 f->policy_string, f->mx_patterns};
    char *key = joined(parts, 4);
    struct policy *p;
    HASH_FIND_STR(*policies, key, p);
    if (p) {
        free(key);
        return p;
    }
    p = mem_new(sizeof *p);
    p->key = key;
    p->entry = f;
    HASH_ADD_KEYPTR(hh, *policies, p->key, strlen(p->key), p);
    return p;
}

// Refused for a cause that RFC 8460 has no word for: section 4.3.3 keeps a general one.
static const char *result_word(const struct ledger_entry *f)
{
    return why_tls_word(f->result != WHY_TLS_NONE ? f->result : WHY_VALIDATION_FAILURE);
}

static void add_detail(struct policy *p, const struct ledger_row *row)
{
    const struct ledger_entry *f = row->entry;
    const char *const parts[] = {result_word(f), f->local_ip, f->mx_host,
                                 f->mx_helo,     f->mx_ip,    f->reason};
    char *key = joined(parts, 6);
    struct detail *d;
    HASH_FIND_STR(p->details, key, d);
    bool summed = !d && HASH_COUNT(p->details) >= REPORT_DETAILS;
    if (summed) {
        free(key);
        key = joined(parts, 1);
        HASH_FIND_STR(p->details, key, d);
    }
    if (!d) {
        d = mem_new(sizeof *d);
        d->key = mem_dup(key);
        d->entry = f;
        d->summed = summed;
        HASH_ADD_KEYPTR(hh, p->details, d->key, strlen(d->key), d);
    }
    free(key);
    d->count += row->count;
}

static void put_text(json_t *j, const char *key, const char *value)
{
    if (value[0])
        json_object_set_new(j, key, tls_report_text(value));
}

static json_t *describe_detail(const struct detail *d)
{
    const struct ledger_entry *f = d->entry;
    json_t *j = json_object();
    put_text(j, "result-type", result_word(f));
    if (!d->summed) {
        put_text(j, "sending-mta-ip", f->local_ip);
        put_text(j, "receiving-mx-hostname", f->mx_host);
        put_text(j, "receiving-mx-helo", f->mx_helo);
        put_text(j, "receiving-ip", f->mx_ip);
    }
    json_object_set_new(j, "failed-session-count", json_integer((json_int_t)d->count));
    if (!d->summed)
        put_text(j, "failure-reason-code", f->reason);
    return j;
}

static json_t *describe_policy(const struct policy *p)
{
    const struct ledger_entry *f = p->entry;
    json_t *policy = json_object();
    put_text(policy, "policy-type", policy_type_word(f->policy_type));
    if (f->policy_type != POLICY_NONE_FOUND)
        json_object_set_new(policy, "policy-string", lines(f->policy_string));
    json_object_set_new(policy, "policy-domain",
                        tls_report_text(f->policy_domain[0] ? f->policy_domain : f->domain));
    if (f->policy_type == POLICY_STS && f->mx_patterns[0])
        json_object_set_new(policy, "mx-host", lines(f->mx_patterns));
    json_t *summary = json_object();
    json_object_set_new(summary, "total-successful-session-count",
                        json_integer((json_int_t)p->successes));
    json_object_set_new(summary, "total-failure-session-count",
                        json_integer((json_int_t)p->failures));
    json_t *j = json_object();
    json_object_set_new(j, "policy", policy);
    json_object_set_new(j, "summary", summary);
    if (!p->details)
        return j;
    json_t *details = json_array();
    for (const struct detail *d = p->details; d; d = d->hh.next)
        json_array_append_new(details, describe_detail(d));
    json_object_set_new(j, "failure-details", details);
    return j;
}

static void free_policies(struct policy *policies)
{
    struct policy *p, *next;
    HASH_ITER (hh, policies, p, next) {
        struct detail *d, *after;
        HASH_ITER (hh, p->details, d, after) {
            HASH_DEL(p->details, d);
            free(d->key);
            free(d);
        }
        HASH_DEL(policies, p);
        free(p->key);
        free(p);
    }
}

static json_t *date_range(int64_t day)
{
    char when[40];
    json_t *j = json_object();
    clock_rfc3339(day * LEDGER_DAY_MS, when);
    json_object_set_new(j, "start-datetime", json_string(when));
    clock_rfc3339((day + 1) * LEDGER_DAY_MS - 1000, when);
    json_object_set_new(j, "end-datetime", json_string(when));
    return j;
}

char *report_id(const struct report_sender *sender, const char *domain, int64_t day)
{
    char date[16];
    if (sender->id && sender->id[0])
        return mem_dup(sender->id);
    ledger_day_text(day, date);
    bool one = !sender->node || !sender->node[0];
    return mem_printf("%s.%s%s%s@%s", date, domain, one ? "" : ".", one ? "" : sender->node,
                      sender->hostname);
}

char *report_json(const struct report_sender *sender, const char *domain, int64_t day,
                  const struct ledger_row *rows, size_t n)
{
    struct policy *policies = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct ledger_entry *f = rows[i].entry;
        struct policy *p = policy_for(&policies, f);
        if (f->result == WHY_TLS_NONE && !f->refused) {
            p->successes += rows[i].count;
        } else {
            p->failures += rows[i].count;
            add_detail(p, &rows[i]);
        }
    }
    json_t *list = json_array();
    for (const struct policy *p = policies; p; p = p->hh.next)
        json_array_append_new(list, describe_policy(p));
    free_policies(policies);
    char *id = report_id(sender, domain, day);
    json_t *j = json_object();
    json_object_set_new(
        j, "organization-name",
        tls_report_text(sender->organization[0] ? sender->organization : sender->hostname));
    json_object_set_new(j, "date-range", date_range(day));
    json_object_set_new(j, "contact-info", tls_report_text(sender->contact));
    json_object_set_new(j, "report-id", tls_report_text(id));
    json_object_set_new(j, "policies", list);
    char *out = json_dumps(j, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(j);
    free(id);
    return out;
}

size_t report_rows(const struct ledger_row *rows, size_t n)
{
    size_t same = 0;
    while (same < n && strcmp(rows[same].entry->domain, rows[0].entry->domain) == 0)
        same++;
    return same;
}
