// SPDX-License-Identifier: ISC
// The text of spool records. A table of keys for each kind of value: what encodes a field stands beside
// what decodes it.
#include "relay/spool/format_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"

// Names below spool/large/ are this many hexadecimal digits (relay/spool/large.c).
#define LARGE_NAME 32

static int hex(int c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void line(struct buf *out, const char *key, const char *value)
{
    buf_adds(out, key);
    buf_adds(out, ": ");
    for (const char *from = value;; value++) {
        unsigned char c = (unsigned char)*value;
        if (c >= 32 && c != '\\' && c != 127)
            continue;
        buf_add(out, from, (size_t)(value - from));
        if (!c)
            break;
        buf_addf(out, "\\x%02x", c);
        from = value + 1;
    }
    buf_addc(out, '\n');
}

static void line_number(struct buf *out, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    line(out, key, text);
}

// Times before 1970 do not happen; a clock set there counts as 1970.
static void line_time(struct buf *out, const char *key, int64_t ms)
{
    if (ms == INT64_MAX)
        line(out, key, "held");
    else
        line_number(out, key, ms > 0 ? (uint64_t)ms : 0);
}

// The next line; false at the end, or with *bad set when what follows is none.
static bool format_text_next_line(struct span *text, struct span *key, struct span *value,
                                  bool *bad)
{
    struct span whole;
    if (!text->n)
        return false;
    *bad = !span_cut(*text, '\n', &whole, text) || !span_cut(whole, ':', key, value) || !value->n ||
           value->p[0] != ' ';
    if (!*bad)
        *value = span_from(*value, 1);
    return !*bad;
}

static bool read_text(struct span value, char **out)
{
    char *text = mem_new(value.n + 1), *to = text;
    for (size_t i = 0; i < value.n; i++) {
        int c = value.p[i];
        if (c == '\\') {
            int high = i + 3 < value.n && value.p[i + 1] == 'x' ? hex(value.p[i + 2]) : -1;
            int low = high >= 0 ? hex(value.p[i + 3]) : -1;
            c = low >= 0 ? high << 4 | low : 0;
            i += 3;
        }
        if (!c) { // a broken escape, or a NUL, which no field has
            free(text);
            return false;
        }
        *to++ = (char)c;
    }
    free(*out);
    *out = text;
    return true;
}

static bool read_unsigned(struct span value, unsigned *out)
{
    uint64_t n;
    bool ok = span_number(value, UINT32_MAX, &n);
    if (ok)
        *out = (unsigned)n;
    return ok;
}

static bool read_time(struct span value, int64_t *out)
{
    uint64_t n = INT64_MAX;
    bool ok = span_is(value, "held") || span_number(value, INT64_MAX - 1, &n);
    if (ok)
        *out = (int64_t)n;
    return ok;
}

static const char *const body_words[] = {"7bit", "8bitmime", "binarymime"};
static const char *const ret_words[] = {"unset", "full", "hdrs"};
static const char *const outcome_words[] = {"delivered", "failed", "deferred", "removed"};

static int format_text_word(struct span value, const char *const *words, int n)
{
    for (int i = 0; i < n; i++)
        if (span_is(value, words[i]))
            return i;
    return -1;
}

// The yes-or-no facts of an envelope, in one line of words.
static const struct {
    const char *word;
    size_t at;
} flags[] = {
    {"smtputf8", offsetof(struct envelope, smtputf8)},
    {"eightbit", offsetof(struct envelope, eightbit)},
    {"utf8-header", offsetof(struct envelope, utf8_header)},
    {"requiretls", offsetof(struct envelope, requiretls)},
    {"tls-optional", offsetof(struct envelope, tls_optional)},
    {"dsn", offsetof(struct envelope, dsn)},
    {"uncounted", offsetof(struct envelope, uncounted)},
    {"high", offsetof(struct envelope, high)},
};
#define FLAGS (sizeof flags / sizeof *flags)

// The texts of an envelope; one that is empty is not written, unless it stands in every envelope.
static const struct {
    const char *key;
    size_t at;
    bool always;
} texts[] = {
    {"from", offsetof(struct envelope, from), true},
    {"envid", offsetof(struct envelope, envid), false},
    {"principal", offsetof(struct envelope, principal), true},
    {"client", offsetof(struct envelope, client), true},
    {"tag", offsetof(struct envelope, tag), false},
    {"message-id", offsetof(struct envelope, message_id), false},
    {"held-for", offsetof(struct envelope, held_for), false},
};
#define TEXTS (sizeof texts / sizeof *texts)

static char **text_of(struct envelope *env, size_t i)
{
    return (char **)(void *)((char *)env + texts[i].at);
}

static void encode_texts(struct envelope *env, struct buf *out)
{
    for (size_t i = 0; i < TEXTS; i++)
        if (texts[i].always || (*text_of(env, i))[0])
            line(out, texts[i].key, *text_of(env, i));
}

// The text that `key` names, or NULL.
static char **text_named(struct envelope *env, struct span key)
{
    for (size_t i = 0; i < TEXTS; i++)
        if (span_is(key, texts[i].key))
            return text_of(env, i);
    return NULL;
}

static bool *flag_of(struct envelope *env, size_t i)
{
    return (bool *)(void *)((char *)env + flags[i].at);
}

static bool read_flags(struct span value, struct envelope *env)
{
    while (value.n) {
        struct span one, rest;
        if (!span_cut(value, ' ', &one, &rest)) {
            one = value;
            rest = span_of(NULL, 0);
        }
        size_t i = 0;
        while (i < FLAGS && !span_is(one, flags[i].word))
            i++;
        if (i == FLAGS)
            return false;
        *flag_of(env, i) = true;
        value = rest;
    }
    return true;
}

static bool read_range(struct span value, struct message *m)
{
    struct span start, end;
    uint64_t from, to, floor = m->nleft_out ? m->left_out[m->nleft_out - 1].end : 0;
    if (!span_cut(value, ' ', &start, &end) || !span_number(start, UINT64_MAX, &from) ||
        !span_number(end, UINT64_MAX, &to) || from > to || from < floor)
        return false;
    message_leave_out(m, from, to);
    return true;
}

// "NAME SUM": a name that could leave the folder is not one of ours.
static bool read_large(struct span value, struct message *m)
{
    struct span name, sum;
    if (m->large || !span_cut(value, ' ', &name, &sum) || name.n != LARGE_NAME ||
        sum.n != 2 * sizeof m->large_sum)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (hex(name.p[i]) < 0 || hex(sum.p[i]) < 0)
            return false;
    for (size_t i = 0; i < sizeof m->large_sum; i++)
        m->large_sum[i] = (unsigned char)(hex(sum.p[2 * i]) << 4 | hex(sum.p[2 * i + 1]));
    m->large = span_dup(name);
    return true;
}

static void encode_recipient(const struct recipient *r, const struct segment_standing *now,
                             struct buf *out)
{
    unsigned attempts = now ? now->attempts : r->attempts;
    int64_t next_ms = now ? now->next_ms : r->next_ms;
    line(out, "rcpt", r->address);
    line(out, "domain", r->domain);
    if (r->orcpt[0])
        line(out, "orcpt", r->orcpt);
    if (r->notify)
        line_number(out, "notify", r->notify);
    if (attempts)
        line_number(out, "attempts", attempts);
    if (next_ms)
        line_time(out, "next", next_ms);
    if (now ? now->delay_warned : r->delay_warned)
        line(out, "delay-warned", "yes");
    const char *next_hop = now ? now->next_hop : r->next_hop;
    if (next_hop)
        line(out, "next-hop", next_hop);
    if (r->return_path[0])
        line(out, "return-path", r->return_path);
    if (r->copy)
        line(out, "copy", "yes");
}

static void encode_content(const struct message *m, bool damaged, struct buf *out)
{
    if (damaged)
        line(out, "damaged", "yes");
    line_number(out, "prefix-bytes", m->prefix_bytes);
    line_number(out, "header-bytes", m->header_bytes);
    line_number(out, "body-bytes", m->body_bytes);
    for (size_t i = 0; i < m->nleft_out; i++) {
        char range[48];
        snprintf(range, sizeof range, "%" PRIu64 " %" PRIu64, m->left_out[i].start,
                 m->left_out[i].end);
        line(out, "left-out", range);
    }
    if (m->large) {
        char sum[2 * sizeof m->large_sum + 1];
        for (size_t i = 0; i < sizeof m->large_sum; i++)
            snprintf(sum + 2 * i, 3, "%02x", m->large_sum[i]);
        buf_addf(out, "large: %s %s\n", m->large, sum);
    }
}

int segment_message_encode(const struct message *m, const struct segment_standing *standing,
                           bool damaged, struct buf *out)
{
    struct envelope env = m->env;
    line_time(out, "created", env.created_ms);
    encode_texts(&env, out);
    if (env.ret != RET_UNSET)
        line(out, "ret", ret_words[env.ret]);
    line(out, "body", body_words[env.body]);
    bool any = false;
    for (size_t i = 0; i < FLAGS; i++)
        if (*flag_of(&env, i)) {
            buf_adds(out, any ? " " : "flags: ");
            buf_adds(out, flags[i].word);
            any = true;
        }
    if (any)
        buf_addc(out, '\n');
    if (env.expire_ms)
        line_time(out, "expire", env.expire_ms);
    encode_content(m, damaged, out);
    for (size_t i = 0; i < env.nrcpts; i++)
        if (!standing || standing[i].open)
            encode_recipient(&env.rcpts[i], standing ? &standing[i] : NULL, out);
    return out->full ? -1 : 0;
}

static bool read_notify(struct span value, struct recipient *r)
{
    uint64_t bits;
    bool ok = span_number(value, 15, &bits);
    if (ok)
        r->notify = (unsigned char)bits;
    return ok;
}

static bool read_next_hop(struct span value, struct recipient *r)
{
    char *text = NULL;
    bool ok = read_text(value, &text);
    message_set_next_hop(r, text);
    free(text);
    return ok;
}

static bool read_recipient(struct span key, struct span value, struct recipient *r)
{
    if (span_is(key, "domain"))
        return read_text(value, &r->domain);
    if (span_is(key, "orcpt"))
        return read_text(value, &r->orcpt);
    if (span_is(key, "notify"))
        return read_notify(value, r);
    if (span_is(key, "attempts"))
        return read_unsigned(value, &r->attempts);
    if (span_is(key, "next"))
        return read_time(value, &r->next_ms);
    if (span_is(key, "next-hop"))
        return read_next_hop(value, r);
    if (span_is(key, "return-path"))
        return read_text(value, &r->return_path);
    if (span_is(key, "copy"))
        return r->copy = span_is(value, "yes");
    if (span_is(key, "delay-warned"))
        return r->delay_warned = span_is(value, "yes");
    return false;
}

static bool read_word(struct span key, struct span value, struct envelope *env)
{
    bool ret = span_is(key, "ret");
    int n = ret ? format_text_word(value, ret_words, 3) : format_text_word(value, body_words, 3);
    if (n < 0)
        return false;
    if (ret)
        env->ret = (enum dsn_ret)n;
    else
        env->body = (enum body_kind)n;
    return true;
}

static bool read_field(struct span key, struct span value, struct message *m, bool *damaged)
{
    struct envelope *env = &m->env;
    char **text = text_named(env, key);
    if (text)
        return read_text(value, text);
    if (span_is(key, "created"))
        return read_time(value, &env->created_ms);
    if (span_is(key, "ret") || span_is(key, "body"))
        return read_word(key, value, env);
    if (span_is(key, "flags"))
        return read_flags(value, env);
    if (span_is(key, "expire"))
        return read_time(value, &env->expire_ms);
    if (span_is(key, "prefix-bytes"))
        return span_number(value, SIZE_MAX / 8, &m->prefix_bytes);
    if (span_is(key, "header-bytes"))
        return span_number(value, SIZE_MAX / 8, &m->header_bytes);
    if (span_is(key, "body-bytes"))
        return span_number(value, SIZE_MAX / 8, &m->body_bytes);
    if (span_is(key, "left-out"))
        return read_range(value, m);
    if (span_is(key, "large"))
        return read_large(value, m);
    if (span_is(key, "damaged"))
        return *damaged = span_is(value, "yes");
    return false;
}

static bool adds_up(const struct message *m, uint64_t rest, bool damaged)
{
    uint64_t bytes = m->prefix_bytes + m->header_bytes + (m->large ? 0 : m->body_bytes);
    return m->env.nrcpts && rest == (damaged ? 0 : bytes) &&
           (!m->nleft_out || m->left_out[m->nleft_out - 1].end <= m->header_bytes);
}

struct message *segment_message_decode(struct span text, uint64_t id, uint64_t rest, bool *damaged)
{
    struct message *m = message_new();
    struct span key, value;
    bool bad = false;
    m->env.id = id;
    m->in_memory = false;
    *damaged = false;
    while (!bad && format_text_next_line(&text, &key, &value, &bad)) {
        struct envelope *env = &m->env;
        if (span_is(key, "rcpt"))
            bad = !read_text(value, &message_add_recipient(m, "", "")->address);
        else if (env->nrcpts)
            bad = !read_recipient(key, value, &env->rcpts[env->nrcpts - 1]);
        else
            bad = !read_field(key, value, m, damaged);
    }
    if (!bad && adds_up(m, rest, *damaged)) {
        message_pack(m);
        return m;
    }
    message_unref(m);
    return NULL;
}

int segment_result_encode(const struct spool_result *result, struct buf *out)
{
    line(out, "rcpt", result->address);
    line(out, "outcome", outcome_words[result->outcome]);
    line_number(out, "attempts", result->attempts);
    if (result->outcome == SPOOL_DEFERRED)
        line_time(out, "next", result->next_ms);
    if (result->delay_warned)
        line(out, "delay-warned", "yes");
    if (result->next_hop)
        line(out, "next-hop", result->next_hop);
    const struct why *why = result->why;
    if (why && why_is_set(why)) {
        line(out, "status", why->status);
        if (why->tls != WHY_TLS_NONE)
            line(out, "tls", why_tls_word(why->tls));
        if (why->host[0])
            line(out, "host", why->host);
        if (why->reply[0])
            line(out, "reply", result->reply ? result->reply : why->reply);
        line(out, "why", why->text);
    }
    return out->full ? -1 : 0;
}

static bool read_result(struct span key, struct span value, struct spool_result *result,
                        struct segment_texts *of)
{
    if (span_is(key, "rcpt"))
        return read_text(value, &of->address);
    if (span_is(key, "next-hop"))
        return read_text(value, &of->next_hop);
    if (span_is(key, "attempts"))
        return read_unsigned(value, &result->attempts);
    if (span_is(key, "next"))
        return read_time(value, &result->next_ms);
    if (span_is(key, "delay-warned"))
        return result->delay_warned = span_is(value, "yes");
    if (span_is(key, "outcome")) {
        int n = format_text_word(value, outcome_words, 4);
        result->outcome = (enum spool_outcome)n;
        return n >= 0;
    }
    // The reason is there for people and for tools that read the log.
    return span_is(key, "status") || span_is(key, "tls") || span_is(key, "host") ||
           span_is(key, "reply") || span_is(key, "why");
}

void segment_texts_free(struct segment_texts *of)
{
    free(of->address);
    free(of->next_hop);
    *of = (struct segment_texts){0};
}

int segment_result_decode(struct span text, struct spool_result *result, struct segment_texts *of)
{
    struct span key, value;
    bool bad = false;
    *result = (struct spool_result){.outcome = (enum spool_outcome) - 1};
    *of = (struct segment_texts){0};
    while (!bad && format_text_next_line(&text, &key, &value, &bad))
        bad = !read_result(key, value, result, of);
    if (!bad && of->address && (int)result->outcome >= 0) {
        result->address = of->address;
        result->next_hop = of->next_hop;
        return 0;
    }
    segment_texts_free(of);
    return -1;
}
