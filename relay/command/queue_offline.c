// SPDX-License-Identifier: ISC
// `waxwing queue … --offline`: works on the spool of a relay that is stopped, as the relay's user. It takes the spool's lock
// as a relay does, so that neither meets the other.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/id.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/command/queue_offline.h"
#include "relay/log/json.h"
#include "relay/setup/privileges.h"

static void queue_offline_on_message(struct message *m, void *arg)
{
    struct offline *o = arg;
    if (o->n == o->room) {
        o->room = o->room ? 2 * o->room : 64;
        o->at = mem_grow(o->at, o->room, sizeof(struct message *));
    }
    o->at[o->n++] = m;
}

static void queue_offline_on_alarm(void *arg, const char *sentence)
{
    (void)arg;
    fprintf(stderr, "waxwing: %s\n", sentence);
}

static enum queue_state state_of(const struct recipient *r)
{
    return r->next_ms == INT64_MAX ? QUEUE_HELD : QUEUE_WAITING;
}

static struct queue_row offline_row(const struct message *m, const struct recipient *r)
{
    return (struct queue_row){
        .id = m->env.id,
        .created_ms = m->env.created_ms,
        .next_ms = r->next_ms,
        .size = message_size(m),
        .attempts = r->attempts,
        .state = state_of(r),
        .from = m->env.from,
        .to = r->address,
        .domain = r->domain,
        .login = m->env.principal,
        .reason = state_of(r) == QUEUE_HELD && !r->attempts ? m->env.held_for : "",
        .class = r->attempts ? NULL : "",
        .next_hop = r->next_hop,
    };
}

bool offline_chosen(const struct offline *o, const struct message *m, const struct recipient *r)
{
    struct queue_row row = offline_row(m, r);
    return queue_match(&o->call->filter, &row) == QUEUE_MATCH;
}

static void print_one(const struct offline *o, const struct message *m, const struct recipient *r,
                      size_t n)
{
    char id[ID_TEXT];
    id_text(m->env.id, id);
    struct queue_row row = offline_row(m, r);
    bool held = r->next_ms == INT64_MAX;
    json_t *j = json_object();
    json_object_set_new(j, "id", json_string(id));
    json_object_set_new(j, "created", json_integer(row.created_ms / 1000));
    json_object_set_new(j, "size", json_integer((json_int_t)row.size));
    json_object_set_new(j, "from", json_text(row.from));
    json_object_set_new(j, "to", json_text(row.to));
    json_object_set_new(j, "domain", json_text(row.domain));
    json_object_set_new(j, "login", json_text(row.login));
    json_object_set_new(j, "site", json_null());
    json_object_set_new(j, "next_hop", row.next_hop ? json_text(row.next_hop) : json_null());
    json_object_set_new(j, "state", json_string(queue_state_word(row.state)));
    json_object_set_new(j, "attempts", json_integer(row.attempts));
    json_object_set_new(j, "next", held ? json_null() : json_integer(row.next_ms / 1000));
    json_object_set_new(j, "reason", json_text(row.reason));
    json_object_set_new(j, "class", json_null());
    queue_print_row(o->call, j, n);
    json_decref(j);
}

int offline_fail(const struct why *why)
{
    fprintf(stderr, "waxwing: %s\n", why->text);
    return why_permanent(why) ? EXIT_DATA : EXIT_TEMP;
}

int offline_none(const struct offline *o)
{
    if (o->call->filter.nids)
        fputs("waxwing: no such message in the queue\n", stderr);
    return o->call->filter.nids ? EXIT_NO : EXIT_YES;
}

static int list(struct offline *o)
{
    size_t n = 0;
    for (size_t i = 0; i < o->n; i++)
        for (size_t j = 0; j < o->at[i]->env.nrcpts; j++)
            if (offline_chosen(o, o->at[i], &o->at[i]->env.rcpts[j]))
                print_one(o, o->at[i], &o->at[i]->env.rcpts[j], n++);
    queue_print_end(o->call, n);
    return n ? EXIT_YES : offline_none(o);
}

// Its content as it was received, or (bare) as it would be sent.
static int put_content(struct offline *o, struct message *m, bool bare)
{
    struct why why;
    struct buf head;
    uint64_t at = 0;
    ssize_t n = 1;
    unsigned char *piece = mem_new(SPOOL_COPY);
    buf_init(&head, SIZE_MAX / 4);
    if (bare) {
        message_sent_header(m, &head);
    } else {
        buf_addspan(&head, buf_span(&m->prefix));
        buf_addspan(&head, buf_span(&m->header));
    }
    fwrite(head.data, 1, head.len, stdout);
    buf_free(&head);
    if (!m->large)
        fwrite(m->body.data, 1, m->body.len, stdout);
    for (; m->large && n > 0; at += n > 0 ? (uint64_t)n : 0) {
        n = spool_read_large(o->spool, m, at, piece, SPOOL_COPY, &why);
        if (n > 0)
            fwrite(piece, 1, (size_t)n, stdout);
    }
    free(piece);
    return m->large && n < 0 ? offline_fail(&why) : EXIT_YES;
}

static int export_one(struct offline *o, uint64_t id, bool bare, bool *begun)
{
    struct why why;
    struct buf words;
    struct message *m = spool_find(o->spool, id, &why);
    if (!m)
        return offline_fail(&why);
    int status = EXIT_YES;
    buf_init(&words, SPOOL_TEXT);
    if (!bare && spool_export_words(o->spool, id, &words, &why) < 0)
        status = offline_fail(&why);
    *begun = status == EXIT_YES;
    if (!bare && status == EXIT_YES)
        queue_put_entry(buf_span(&words), m->prefix.len + m->header.len + m->body_bytes);
    if (status == EXIT_YES)
        status = put_content(o, m, bare);
    if (!bare && status == EXIT_YES)
        queue_put_end();
    buf_free(&words);
    message_unref(m);
    return status;
}

static int export(struct offline *o)
{
    bool bare = !queue_is_many(o->call), cut = false;
    int status = EXIT_YES;
    size_t n = 0;
    if (!bare)
        queue_put_magic();
    for (size_t i = 0; i < o->n && !cut; i++) {
        const struct envelope *env = &o->at[i]->env;
        bool wanted = false;
        for (size_t j = 0; j < env->nrcpts && !wanted; j++)
            wanted = offline_chosen(o, o->at[i], &env->rcpts[j]);
        bool begun = false;
        int now = wanted ? export_one(o, env->id, bare, &begun) : EXIT_YES;
        cut = begun && now != EXIT_YES; // one that cannot be read at all keeps no other back
        status = now == EXIT_YES ? status : now;
        n += wanted;
    }
    return n ? status : offline_none(o);
}

static int queue_offline_on_import(void *arg, struct span words, struct span content)
{
    struct offline *o = arg;
    struct why why;
    struct message *m = spool_import(o->spool, words, content, &why);
    if (!m)
        return offline_fail(&why);
    struct spool_write write = {.reply = o->inbox, .message = m};
    spool_store(o->spool, &write);
    inbox_wait(o->inbox, -1);
    message_unref(m);
    return write.failed ? offline_fail(&write.why) : EXIT_YES;
}

static int run(struct offline *o)
{
    const char *verb = o->call->verb;
    return strcmp(verb, "list") == 0     ? list(o)
           : strcmp(verb, "export") == 0 ? export(o)
           : strcmp(verb, "import") == 0 ? queue_import_file(o->call, queue_offline_on_import, o)
                                         : offline_change(o);
}

int queue_offline(struct queue_call *call, struct config *config)
{
    struct offline o = {.call = call, .config = config, .inbox = inbox_open_blocking()};
    struct spool_options options = {.directory = config->spool, .alarm = queue_offline_on_alarm};
    struct why why;
    int status = EXIT_CONFIG;
    if (privileges_drop(config, &why) < 0)
        fprintf(stderr, "waxwing: %s\n", why.text);
    else if (spool_open(&o.spool, &options, queue_offline_on_message, &o, &status, &why) < 0)
        fprintf(stderr, "waxwing: %s\n", why.text);
    else
        status = run(&o);
    for (size_t i = 0; i < o.n; i++)
        message_unref(o.at[i]);
    free(o.at);
    spool_close(o.spool);
    inbox_close(o.inbox);
    return status;
}
