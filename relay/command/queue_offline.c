// SPDX-License-Identifier: ISC
// `waxwing queue … --offline`: works on the spool of a relay that is stopped, as the relay's user. It takes the spool's lock
// as a relay does, so that neither meets the other.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/id.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/command/queue.h"
#include "relay/log/json.h"
#include "relay/setup/privileges.h"
#include "relay/spool/spool.h"

struct offline {
    const struct queue_call *call;
    struct spool *spool;
    struct inbox *inbox;
    struct message **at; // with an open recipient
    size_t n, room;
};

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

static bool matches(const struct queue_filter *f, const struct envelope *env,
                    const struct recipient *r)
{
    bool id = !f->ids;
    for (size_t i = 0; i < f->nids && !id; i++)
        id = f->ids[i] == env->id;
    return id && (!f->domain || strcasecmp(f->domain, r->domain) == 0) &&
           (!f->sender || strcasecmp(f->sender, env->from) == 0) &&
           (f->state < 0 || f->state == (int)state_of(r)) &&
           (!f->older_ms || env->created_ms < clock_ms() - f->older_ms);
}

typedef void offline_each(struct offline *o, const struct message *m, const struct recipient *r,
                          size_t n);

// How many recipients match.
static size_t queue_offline_walk(struct offline *o, offline_each *each)
{
    size_t n = 0;
    for (size_t i = 0; i < o->n; i++)
        for (size_t j = 0; j < o->at[i]->env.nrcpts; j++) {
            const struct recipient *r = &o->at[i]->env.rcpts[j];
            if (!matches(&o->call->filter, &o->at[i]->env, r))
                continue;
            if (each)
                each(o, o->at[i], r, n);
            n++;
        }
    return n;
}

static void queue_offline_print_one(struct offline *o, const struct message *m,
                                    const struct recipient *r, size_t n)
{
    char id[ID_TEXT];
    id_text(m->env.id, id);
    bool held = r->next_ms == INT64_MAX;
    json_t *row = json_object();
    json_object_set_new(row, "id", json_string(id));
    json_object_set_new(row, "created", json_integer(m->env.created_ms / 1000));
    json_object_set_new(row, "size", json_integer((json_int_t)message_size(m)));
    json_object_set_new(row, "from", json_text(m->env.from));
    json_object_set_new(row, "to", json_text(r->address));
    json_object_set_new(row, "domain", json_text(r->domain));
    json_object_set_new(row, "state", json_string(queue_state_word(state_of(r))));
    json_object_set_new(row, "attempts", json_integer(r->attempts));
    json_object_set_new(row, "next", held ? json_null() : json_integer(r->next_ms / 1000));
    json_object_set_new(row, "reason", json_string(""));
    queue_print_row(o->call, row, n);
    json_decref(row);
}

static void queue_offline_remove_one(struct offline *o, const struct message *m,
                                     const struct recipient *r, size_t n)
{
    (void)n;
    struct spool_result result = {
        .id = m->env.id, .address = r->address, .outcome = SPOOL_REMOVED, .attempts = r->attempts};
    spool_note(o->spool, &result);
}

static int fail(const struct why *why)
{
    fprintf(stderr, "waxwing: %s\n", why->text);
    return why_permanent(why) ? EXIT_DATA : EXIT_TEMP;
}

static int none(const struct offline *o)
{
    if (o->call->filter.nids)
        fputs("waxwing: no such message in the queue\n", stderr);
    return o->call->filter.nids ? EXIT_NO : EXIT_YES;
}

static int list(struct offline *o)
{
    size_t n = queue_offline_walk(o, queue_offline_print_one);
    queue_print_end(o->call, n);
    return n ? EXIT_YES : none(o);
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
    return m->large && n < 0 ? fail(&why) : EXIT_YES;
}

static int export_one(struct offline *o, uint64_t id, bool bare, bool *begun)
{
    struct why why;
    struct buf words;
    struct message *m = spool_find(o->spool, id, &why);
    if (!m)
        return fail(&why);
    int status = EXIT_YES;
    buf_init(&words, SPOOL_TEXT);
    if (!bare && spool_export_words(o->spool, id, &words, &why) < 0)
        status = fail(&why);
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
            wanted = matches(&o->call->filter, env, &env->rcpts[j]);
        bool begun = false;
        int now = wanted ? export_one(o, env->id, bare, &begun) : EXIT_YES;
        cut = begun && now != EXIT_YES; // one that cannot be read at all keeps no other back
        status = now == EXIT_YES ? status : now;
        n += wanted;
    }
    return n ? status : none(o);
}

static int remove_them(struct offline *o)
{
    size_t n = queue_offline_walk(o, NULL);
    if (!o->call->dry && n && (o->call->all || o->call->filtered) && !queue_agreed(o->call, n)) {
        fputs("nothing was done\n", stderr);
        return EXIT_NO;
    }
    if (!n && o->call->filter.nids)
        return none(o);
    if (!o->call->dry && n) {
        struct item item = {0};
        queue_offline_walk(o, queue_offline_remove_one);
        spool_barrier(o->spool, &item, o->inbox);
        inbox_wait(o->inbox, -1);
    }
    queue_print_done(o->call, n, 0);
    return EXIT_YES;
}

static int queue_offline_on_import(void *arg, struct span words, struct span content)
{
    struct offline *o = arg;
    struct why why;
    struct message *m = spool_import(o->spool, words, content, &why);
    if (!m)
        return fail(&why);
    struct spool_write write = {.reply = o->inbox, .message = m};
    spool_store(o->spool, &write);
    inbox_wait(o->inbox, -1);
    message_unref(m);
    return write.failed ? fail(&write.why) : EXIT_YES;
}

static int run(struct offline *o)
{
    const char *verb = o->call->verb;
    return strcmp(verb, "list") == 0     ? list(o)
           : strcmp(verb, "export") == 0 ? export(o)
           : strcmp(verb, "remove") == 0 ? remove_them(o)
                                         : queue_import_file(o->call, queue_offline_on_import, o);
}

int queue_offline(struct queue_call *call, const struct config *config)
{
    struct offline o = {.call = call, .inbox = inbox_open_blocking()};
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
