// SPDX-License-Identifier: ISC
// What is true of a message, in words: the line for the log, Authentication-Results, an ARC set.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/address.h"
#include "relay/base/maxima.h"
#include "sign/message_auth_inside.h"

static enum auth_result dkim_overall(const struct message_auth *a)
{
    enum auth_result result = AUTH_NONE;
    for (size_t i = 0; i < dkim_checks_count(a->dkim); i++) {
        enum auth_result one = dkim_checks_at(a->dkim, i)->result;
        if (i == 0 || one == AUTH_PASS)
            result = one;
    }
    return result;
}

void message_auth_summary(const struct message_auth *a, struct buf *out)
{
    enum auth_result dkim;
    if (!message_auth_heard(a, "dkim", &dkim))
        dkim = dkim_overall(a);
    buf_addf(out, "spf=%s dkim=%s", auth_result_word(message_auth_spf(a)), auth_result_word(dkim));
    if (dkim_checks_count(a->dkim) > 1)
        buf_addf(out, "/%zu", dkim_checks_count(a->dkim));
    buf_addf(out, " arc=%s dmarc=%s", message_auth_arc(a), auth_result_word(message_auth_dmarc(a)));
}

static void tag_property(struct authres_writer *w, const struct signature *s, const char *tag,
                         const char *property, size_t most)
{
    const struct tag *found = tags_find(&s->tags, tag);
    if (!found || !found->value.n)
        return;
    char *text =
        span_dup(span_slice(found->value, 0, found->value.n < most ? found->value.n : most));
    if (strcmp(tag, "d") == 0 || strcmp(tag, "i") == 0)
        authres_domain(w, property, text);
    else
        authres_property(w, property, text);
    free(text);
}

static void message_auth_write_dkim(const struct message_auth *a, struct authres_writer *w)
{
    size_t n = dkim_checks_count(a->dkim);
    if (!n)
        authres_result(w, "dkim", "none");
    for (size_t i = 0; i < n; i++) {
        const struct signature *s = dkim_checks_at(a->dkim, i);
        authres_result(w, "dkim", auth_result_word(s->result));
        char key[32];
        snprintf(key, sizeof key, "%u-bit key", s->bits);
        if (s->bits)
            authres_comment(w, key);
        if (*s->reason)
            authres_reason(w, s->reason);
        tag_property(w, s, "d", "header.d", MAX_DOMAIN);
        tag_property(w, s, "i", "header.i", MAX_PATH);
        tag_property(w, s, "s", "header.s", MAX_DOMAIN);
        tag_property(w, s, "a", "header.a", 32);
        tag_property(w, s, "b", "header.b", 8);
    }
}

static void message_auth_write_arc(const struct message_auth *a, struct authres_writer *w)
{
    enum arc_cv cv = message_auth_chain_status(a);
    authres_result(w, "arc", arc_cv_word(cv));
    char text[64];
    snprintf(text, sizeof text, "i=%zu", arc_instances(a->chain));
    if (cv != ARC_NONE)
        authres_comment(w, text);
    if (cv == ARC_FAIL && *arc_reason(a->chain))
        authres_reason(w, arc_reason(a->chain));
    snprintf(text, sizeof text, "%zu", arc_oldest_pass(a->chain));
    if (cv == ARC_PASS && arc_result(a->chain) == ARC_PASS)
        authres_property(w, "header.oldest-pass", text);
    // smtp.remote-ip lets a later reader of the chain know the client (RFC 8617 section 4.1.1).
    if (a->has_client && *address_text((const struct sockaddr *)&a->client, text))
        authres_property(w, "smtp.remote-ip", text);
}

static void message_auth_write_spf(const struct message_auth *a, struct authres_writer *w)
{
    if (!a->has_client)
        return;
    authres_result(w, "spf", auth_result_word(a->spf.result));
    if (*a->spf.reason)
        authres_reason(w, a->spf.reason);
    if (*a->mail_from)
        authres_domain(w, "smtp.mailfrom", a->mail_from);
    else
        authres_domain(w, "smtp.helo", a->helo);
}

static void message_auth_write_dmarc(const struct message_auth *a, struct authres_writer *w)
{
    authres_result(w, "dmarc", auth_result_word(a->dmarc.result));
    char policy[32];
    snprintf(policy, sizeof policy, "p=%s", a->dmarc.policy);
    if (*a->dmarc.policy)
        authres_comment(w, policy);
    if (a->dmarc_open)
        authres_reason(w, "the client is not known, so SPF could not be looked at");
    if (a->from_domain)
        authres_property(w, "header.from", a->from_domain);
}

// What is repeated under our name: not what is put right by a result of our own, and no pass that is in
// doubt.
static bool taken_over(const struct message_auth *a, const struct authres_result *r, bool own_arc,
                       const struct authres_result *dmarc)
{
    if (a->trusted.doubtful && strcmp(r->result, "pass") == 0)
        return false;
    return strcmp(r->method, "arc") == 0     ? !own_arc
           : strcmp(r->method, "dmarc") == 0 ? r == dmarc
                                             : true;
}

// "authserv-id; results": trusted ones first, then ours for the methods of which they are silent.
static void write_results(const struct message_auth *a, struct buf *out)
{
    static const struct {
        const char *method;
        void (*write)(const struct message_auth *a, struct authres_writer *w);
    } ours[] = {{"dkim", message_auth_write_dkim},
                {"arc", message_auth_write_arc},
                {"spf", message_auth_write_spf},
                {"dmarc", message_auth_write_dmarc}};

    struct authres_writer w;
    authres_begin(&w, out, a->authserv_id, a->utf8);
    enum auth_result arc;
    bool own_arc = !message_auth_heard(a, "arc", &arc) ||
                   strcmp(auth_result_word(arc), message_auth_arc(a)) != 0;
    const struct authres_result *dmarc = message_auth_their_dmarc(a);
    for (size_t i = 0; i < a->trusted.n; i++)
        for (size_t k = 0; k < a->trusted.at[i].n; k++)
            if (taken_over(a, &a->trusted.at[i].results[k], own_arc, dmarc))
                authres_text(&w, a->trusted.at[i].results[k].text);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strcmp(ours[i].method, "arc") == 0     ? own_arc
            : strcmp(ours[i].method, "dmarc") == 0 ? !dmarc
                                                   : !trusted_find(&a->trusted, ours[i].method))
            ours[i].write(a, &w);
    authres_end(&w);
}

int message_auth_results(const struct message_auth *a, struct buf *out)
{
    buf_adds(out, "Authentication-Results: ");
    write_results(a, out);
    buf_adds(out, "\r\n");
    return out->full ? -1 : 0;
}

int message_auth_seal(const struct message_auth *a, const struct seal *how, struct buf *out,
                      struct why *why)
{
    if (arc_closed(a->chain))
        return 0;
    struct buf results;
    buf_init(&results, MAX_PREFIX / 2);
    write_results(a, &results);
    struct arc_set set = {
        .domain = how->domain,
        .selector = how->selector,
        .key = how->key,
        .headers = how->headers,
        .header = how->header,
        .time = how->time,
        .cv = message_auth_chain_status(a),
        .results = buf_text(&results),
    };
    int rc = results.full ? why_say(why, SEAL_NO_ROOM, "the results have no room")
                          : arc_seal(a->chain, &set, how->body ? how->body : a->hashes, out, why);
    buf_free(&results);
    return rc;
}
