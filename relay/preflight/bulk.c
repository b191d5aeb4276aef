// SPDX-License-Identifier: ISC
// Bulk mail and how one leaves it (RFC 2369, RFC 2919, RFC 8058), as Gmail and Yahoo ask for it.
//
// A message is called bulk where it says so itself, by a List field, Precedence or Feedback-ID, or where it goes to many
// at once. A newsletter that is handed in as single messages without any of these looks like a letter, and is not found.
#include <string.h>
#include "relay/preflight/inside.h"
#include "sign/comment.h"
#include "sign/selection.h"

static bool value_is(const struct look *l, enum known_field k, const char *word)
{
    return l->at[k] && span_is_nocase(span_trim(l->at[k]->value), word);
}

// Notifications and answers are mail of one to one, whatever they say of their precedence (RFC 3834).
static bool is_answer(const struct look *l)
{
    struct span auto_submitted =
        l->at[KNOWN_AUTO_SUBMITTED] ? span_trim(l->at[KNOWN_AUTO_SUBMITTED]->value) : span_text("");
    return (l->in->sender && !l->in->sender[0]) ||
           span_starts_nocase(auto_submitted, "auto-replied");
}

static const char *bulk_sign(const struct look *l)
{
    static const struct {
        enum known_field field;
        const char *name;
    } signs[] = {
        {KNOWN_LIST_ID, "List-Id"},
        {KNOWN_LIST_UNSUBSCRIBE, "List-Unsubscribe"},
        {KNOWN_LIST_UNSUBSCRIBE_POST, "List-Unsubscribe-Post"},
        {KNOWN_LIST_POST, "List-Post"},
        {KNOWN_LIST_HELP, "List-Help"},
        {KNOWN_LIST_SUBSCRIBE, "List-Subscribe"},
        {KNOWN_FEEDBACK_ID, "Feedback-ID"},
    };
    if (is_answer(l))
        return NULL;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (l->at[signs[i].field])
            return signs[i].name;
    if (value_is(l, KNOWN_PRECEDENCE, "bulk") || value_is(l, KNOWN_PRECEDENCE, "list") ||
        value_is(l, KNOWN_PRECEDENCE, "junk"))
        return "Precedence";
    return l->in->nrcpts >= PREFLIGHT_BULK_RCPTS ? "many recipients" : NULL;
}

struct ways {
    size_t https, http;
    bool readable;
};

// <address>, <address> (comment)
static struct ways read_ways(struct span value)
{
    struct ways w = {0};
    struct span rest = value;
    while (comment_skip(&rest) && rest.n && rest.p[0] == '<') {
        ptrdiff_t end = span_find(rest, '>');
        if (end < 0)
            return w;
        struct span uri = span_trim(span_slice(rest, 1, (size_t)end));
        w.https += span_starts_nocase(uri, "https://");
        w.http += span_starts_nocase(uri, "http://") || span_starts_nocase(uri, "https://");
        if (span_find(uri, ':') <= 0)
            return w;
        rest = span_from(rest, (size_t)end + 1);
        if (!comment_skip(&rest))
            return w;
        if (!rest.n) {
            w.readable = true;
            return w;
        }
        if (rest.p[0] != ',')
            return w;
        rest = span_from(rest, 1);
    }
    return w;
}

static bool in_list(const struct strings *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (span_is_nocase(span_text(names->at[i]), name))
            return true;
    return false;
}

// The built-in lists have them.
static bool is_signed(const struct cfg_signing *signing, const char *name)
{
    if (!signing || !signing->headers.n || in_list(&signing->headers, name))
        return true;
    return !signing->oversign.n || in_list(&signing->oversign, name);
}

static void look_at_signed(struct look *l)
{
    static const char *const names[] = {"List-Unsubscribe", "List-Unsubscribe-Post"};
    const struct preflight_input *in = l->in;
    if (in->others_sign || !l->at[KNOWN_LIST_UNSUBSCRIBE_POST])
        return;
    for (size_t i = 0; i < 2; i++)
        if (!in->signer || !is_signed(in->signing, names[i]))
            look_find(l, UNSUBSCRIBE_UNSIGNED, names[i]);
}

static void look_at_unsubscribe(struct look *l)
{
    char quoted[PREFLIGHT_QUOTE];
    struct span value = l->at[KNOWN_LIST_UNSUBSCRIBE]->value;
    struct ways w = read_ways(value);
    if (!w.readable)
        look_find(l, UNSUBSCRIBE_UNREADABLE, preflight_quote(value, quoted));
    else if (!w.https)
        look_find(l, UNSUBSCRIBE_NO_HTTPS);
    else if (w.http > 1)
        look_find(l, UNSUBSCRIBE_TWO_HTTPS);
    const struct field *post = l->at[KNOWN_LIST_UNSUBSCRIBE_POST];
    if (!post)
        look_find(l, UNSUBSCRIBE_POST_MISSING);
    else if (!span_is_nocase(span_trim(post->value), "List-Unsubscribe=One-Click"))
        look_find(l, UNSUBSCRIBE_POST_WRONG, preflight_quote(post->value, quoted));
    look_at_signed(l);
}

// "A phrase" <name.domain>
static bool list_id_good(struct span value)
{
    struct span v = span_trim(value);
    for (size_t i = v.n; i-- > 0;)
        if (v.p[i] == '<')
            return v.p[v.n - 1] == '>' && v.n - i > 4 &&
                   memchr(v.p + i + 1, '.', v.n - i - 2) != NULL;
    return false;
}

void look_at_bulk(struct look *l)
{
    char quoted[PREFLIGHT_QUOTE];
    l->out->bulk = bulk_sign(l);
    if (l->at[KNOWN_LIST_ID] && !list_id_good(l->at[KNOWN_LIST_ID]->value))
        look_find(l, LIST_ID_UNREADABLE, preflight_quote(l->at[KNOWN_LIST_ID]->value, quoted));
    if (!l->out->bulk)
        return;
    if (l->at[KNOWN_LIST_UNSUBSCRIBE])
        look_at_unsubscribe(l);
    else
        look_find(l, UNSUBSCRIBE_MISSING, l->out->bulk);
}
