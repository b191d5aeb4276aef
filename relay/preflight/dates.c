// SPDX-License-Identifier: ISC
// When it was written and what it is called: Date, Message-ID, In-Reply-To and References (RFC 5322 sections 3.6.1 and
// 3.6.4).
#include <stdio.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/preflight/inside.h"
#include "sign/comment.h"

#define DATE_AHEAD_S 86400 // a time zone that is wrong is less than this
#define DATE_BACK_S  (7 * 86400)
#define DATE_TEXT    100 // bytes that are looked at

static void look_at_date(struct look *l)
{
    char text[DATE_TEXT], quoted[PREFLIGHT_QUOTE];
    int64_t then;
    if (l->in->date_added || !l->at[KNOWN_DATE]) {
        look_find(l, DATE_MISSING);
        return;
    }
    struct span value = span_trim(l->at[KNOWN_DATE]->value);
    snprintf(text, sizeof text, "%.*s", (int)(value.n < DATE_TEXT ? value.n : DATE_TEXT),
             (const char *)value.p);
    preflight_quote(value, quoted);
    if (!clock_read_rfc5322(text, &then))
        look_find(l, DATE_UNREADABLE, quoted);
    else if (then - l->in->now_s > DATE_AHEAD_S)
        look_find(l, DATE_FUTURE, quoted);
    else if (l->in->now_s - then > DATE_BACK_S)
        look_find(l, DATE_PAST, quoted);
}

// <left@right> without blanks, at the start of s; *right is what stands behind the @. 0: it is none.
static size_t message_id(struct span s, struct span *right)
{
    size_t at = 0, i = 1;
    if (!s.n || s.p[0] != '<')
        return 0;
    for (; i < s.n && s.p[i] > ' ' && s.p[i] < 127 && s.p[i] != '>' && s.p[i] != '<'; i++)
        if (s.p[i] == '@')
            at = i;
    if (i == s.n || s.p[i] != '>' || at < 2 || at + 1 == i)
        return 0;
    *right = span_of(s.p + at + 1, i - at - 1);
    return i + 1;
}

static void look_at_message_id(struct look *l)
{
    char quoted[PREFLIGHT_QUOTE], domain[256];
    if (l->in->message_id_added || !l->at[KNOWN_MESSAGE_ID]) {
        look_find(l, MESSAGE_ID_MISSING);
        return;
    }
    struct span right, rest = l->at[KNOWN_MESSAGE_ID]->value;
    (void)comment_skip(&rest);
    size_t n = message_id(rest, &right);
    preflight_quote(l->at[KNOWN_MESSAGE_ID]->value, quoted);
    rest = span_from(rest, n);
    (void)comment_skip(&rest);
    if (!n || rest.n) {
        look_find(l, MESSAGE_ID_UNREADABLE, quoted);
        return;
    }
    snprintf(domain, sizeof domain, "%.*s", (int)(right.n < 255 ? right.n : 255),
             (const char *)right.p);
    if (domain[0] != '[' && !preflight_public(domain))
        look_find(l, MESSAGE_ID_LOCAL, quoted);
}

static void look_at_ids(struct look *l, enum known_field k, const char *name)
{
    char quoted[PREFLIGHT_QUOTE];
    struct span right;
    if (!l->at[k])
        return;
    struct span rest = l->at[k]->value;
    while (comment_skip(&rest) && rest.n) {
        size_t n = message_id(rest, &right);
        if (!n) {
            look_find(l, REFERENCES_UNREADABLE, name, preflight_quote(l->at[k]->value, quoted));
            return;
        }
        rest = span_from(rest, n);
    }
}

void look_at_dates(struct look *l)
{
    look_at_date(l);
    look_at_message_id(l);
    look_at_ids(l, KNOWN_IN_REPLY_TO, "In-Reply-To");
    look_at_ids(l, KNOWN_REFERENCES, "References");
}
