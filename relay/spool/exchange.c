// SPDX-License-Identifier: ISC
// Messages on their way from one spool to another. What comes in may be anything: the words are parsed as those of a
// record are, and the sizes must add up.
#include <stdlib.h>
#include <string.h>
#include "config/value.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/base/words.h"
#include "relay/smtp/command.h"
#include "relay/spool/inside.h"

// A file of the old spool says nothing in the new one: the body travels with the words.
static void without_large(struct buf *words)
{
    struct buf out;
    struct span rest = buf_span(words), line;
    buf_init(&out, words->max);
    while (span_cut(rest, '\n', &line, &rest)) {
        if (line.n >= 7 && memcmp(line.p, "large: ", 7) == 0)
            continue;
        buf_addspan(&out, line);
        buf_addc(&out, '\n');
    }
    buf_move(words, &out);
}

int spool_export_words(struct spool *s, uint64_t id, struct buf *words, struct why *why)
{
    struct segment_standing *now;
    struct message *m = table_standing(s, id, &now);
    if (!m)
        return why_say(why, MESSAGE_GONE);
    int rc = segment_message_encode(m, now, false, words);
    for (size_t i = 0; i < m->env.nrcpts; i++)
        words_drop(now[i].next_hop);
    message_unref(m);
    free(now);
    without_large(words);
    return rc < 0 ? why_say(why, ENVELOPE_TOO_LARGE) : 0;
}

static int give_body(struct spool *s, struct message *m, struct span body, struct why *why)
{
    if (body.n <= MAX_MEMORY_BODY)
        return buf_addspan(&m->body, body);
    struct spool_large *large = spool_large_begin(s, why);
    if (!large)
        return -1;
    for (size_t at = 0; at < body.n; at += SPOOL_COPY) {
        size_t n = body.n - at < SPOOL_COPY ? body.n - at : SPOOL_COPY;
        if (spool_large_write(large, body.p + at, n, why) < 0) {
            spool_large_abort(large);
            return -1;
        }
    }
    return spool_large_finish(large, m, why);
}

// Written as a client could have given it; `domain` NULL: whatever it is.
static bool is_mailbox(const char *address, const char *domain)
{
    struct why why;
    struct smtp_path path = {0};
    bool sound = smtp_mailbox_parse(span_text(address), &path, &why) == 0 &&
                 strcmp(path.address, address) == 0 &&
                 (!domain || strcmp(path.domain, domain) == 0);
    smtp_path_free(&path);
    return sound;
}

// "type;address": the address is encoded on its way out, the type is not.
static bool is_orcpt(const char *orcpt)
{
    size_t n = strspn(orcpt, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
    return !orcpt[0] || (n && orcpt[n] == ';');
}

static bool is_next_hop(const char *text)
{
    struct cfg_next_hop hop;
    struct why why;
    if (!text)
        return true;
    bool sound = value_hop(span_text(text), &hop, &why) == 0;
    if (sound)
        free(hop.name);
    return sound;
}

static bool is_return_path(const char *path)
{
    return !path[0] || strcmp(path, "<>") == 0 || is_mailbox(path, NULL);
}

// What goes out in commands: a file from elsewhere must not write commands of its own there.
static bool is_sound(const struct envelope *env)
{
    bool sound = !env->from[0] || is_mailbox(env->from, NULL);
    for (size_t i = 0; i < env->nrcpts && sound; i++)
        sound = is_mailbox(env->rcpts[i].address, env->rcpts[i].domain) &&
                is_orcpt(env->rcpts[i].orcpt) && is_return_path(env->rcpts[i].return_path);
    return sound;
}

static bool leads_on(const struct envelope *env)
{
    bool sound = true;
    for (size_t i = 0; i < env->nrcpts && sound; i++)
        sound = is_next_hop(env->rcpts[i].next_hop);
    return sound;
}

struct message *spool_import(struct spool *s, struct span words, struct span content,
                             struct why *why)
{
    bool damaged;
    why_set(why, WHY_MESSAGE, "5.6.0", "these are not the words of an exported message");
    struct message *m = segment_message_decode(words, id_new(), content.n, &damaged);
    if (!m || damaged || m->large) {
        message_unref(m);
        return NULL;
    }
    bool sound = is_sound(&m->env);
    if (!sound || !leads_on(&m->env)) {
        why_set(why, WHY_MESSAGE, "5.6.0", "%s of the exported message cannot be one",
                sound ? "a next hop" : "an address");
        message_unref(m);
        return NULL;
    }
    size_t prefix = (size_t)m->prefix_bytes, header = (size_t)m->header_bytes;
    m->in_memory = true;
    m->prefix.max = m->prefix.max > prefix ? m->prefix.max : prefix;
    m->header.max = m->header.max > header ? m->header.max : header;
    buf_addspan(&m->prefix, span_slice(content, 0, prefix));
    buf_addspan(&m->header, span_slice(content, prefix, prefix + header));
    if (give_body(s, m, span_from(content, prefix + header), why) == 0)
        return m;
    message_unref(m);
    return NULL;
}
