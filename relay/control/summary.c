// SPDX-License-Identifier: ISC
// The queue in a few numbers: how much stands where and since when, and the domains that most of it waits for.
#include <stdlib.h>
#include <string.h>
#include "relay/base/exit.h"
#include "relay/base/mem.h"
#include "relay/base/reasons.h"
#include "relay/base/table.h"
#include "relay/control/inside.h"
#include "relay/log/json.h"
#include "relay/queue/queue.h"

#define SUMMARY_ROWS    2000  // recipients that a worker looks at before its loop goes on
#define SUMMARY_DOMAINS 10000 // told apart; what comes later counts as "other domains"
#define SUMMARY_SHOWN   20

struct domain {
    UT_hash_handle hh;
    uint64_t recipients;
    int64_t oldest_ms, next_ms; // next: the earliest
    unsigned attempts;          // the most of any message
    char *reason;               // of the message that was tried most often
    enum reason why;            // what it is called
    enum act act;               // who can mend it
    char name[];
};

struct summary {
    struct item item;
    struct control_call *call;
    struct relay *relay;
    struct inbox *mail;
    struct queue_scan walk;
    unsigned worker; // whose queue it is in
    struct {
        uint64_t recipients;
        int64_t oldest_ms;
    } states[QUEUE_HELD + 1];
    struct domain *domains;
    uint64_t other;
};

static void older(int64_t *oldest_ms, int64_t ms)
{
    if (!*oldest_ms || ms < *oldest_ms)
        *oldest_ms = ms;
}

static struct domain *summary_domain_of(struct summary *s, const char *name)
{
    struct domain *d;
    size_t n = strlen(name);
    HASH_FIND(hh, s->domains, name, n, d);
    if (d || HASH_COUNT(s->domains) >= SUMMARY_DOMAINS)
        return d;
    d = mem_new(sizeof *d + n + 1);
    memcpy(d->name, name, n + 1);
    HASH_ADD(hh, s->domains, name, n, d);
    return d;
}

static void summary_on_row(const struct queue_row *row, void *arg)
{
    struct summary *s = arg;
    s->states[row->state].recipients++;
    older(&s->states[row->state].oldest_ms, row->created_ms);
    if (!row->reason[0])
        return;
    struct domain *d = summary_domain_of(s, row->domain);
    if (!d) {
        s->other++;
        return;
    }
    d->recipients++;
    older(&d->oldest_ms, row->created_ms);
    if (row->state == QUEUE_WAITING)
        older(&d->next_ms, row->next_ms);
    if (d->reason && row->attempts <= d->attempts)
        return;
    free(d->reason);
    d->reason = mem_dup(row->reason);
    d->why = row->why;
    d->act = row->act;
    d->attempts = row->attempts;
}

static int summary_by_recipients(const struct domain *a, const struct domain *b)
{
    return a->recipients != b->recipients ? (a->recipients < b->recipients ? 1 : -1)
                                          : strcmp(a->name, b->name);
}

static json_t *describe_states(const struct summary *s)
{
    json_t *states = json_object();
    for (int i = 0; i <= QUEUE_HELD; i++) {
        json_t *j = json_object();
        json_object_set_new(j, "recipients", json_integer((json_int_t)s->states[i].recipients));
        json_object_set_new(j, "oldest", json_integer(s->states[i].oldest_ms / 1000));
        json_object_set_new(states, queue_state_word((enum queue_state)i), j);
    }
    return states;
}

static json_t *describe_domain(const struct domain *d)
{
    json_t *j = json_object();
    json_object_set_new(j, "domain", json_text(d->name));
    json_object_set_new(j, "recipients", json_integer((json_int_t)d->recipients));
    json_object_set_new(j, "oldest", json_integer(d->oldest_ms / 1000));
    json_object_set_new(j, "attempts", json_integer(d->attempts));
    json_object_set_new(j, "next", d->next_ms ? json_integer(d->next_ms / 1000) : json_null());
    json_object_set_new(j, "reason", json_text(d->reason));
    json_object_set_new(j, "why", json_text(reason_row(d->why)->name));
    json_object_set_new(j, "act", json_text(act_word(d->act)));
    return j;
}

// How much waits for each of those who can mend it; a domain counts for the one its reason names.
static json_t *describe_acts(const struct summary *s)
{
    json_t *rows = json_array();
    for (int act = ACT_NONE; act <= ACT_HEALS; act++) {
        json_int_t domains = 0, recipients = 0;
        int64_t oldest_ms = 0;
        const struct domain *d, *next;
        HASH_ITER (hh, s->domains, d, next)
            if ((int)d->act == act) {
                domains++;
                recipients += (json_int_t)d->recipients;
                older(&oldest_ms, d->oldest_ms);
            }
        if (domains)
            json_array_append_new(rows,
                                  json_pack("{s:s,s:I,s:I,s:I}", "act", act_word((enum act)act),
                                            "domains", domains, "recipients", recipients, "oldest",
                                            (json_int_t)(oldest_ms / 1000)));
    }
    return rows;
}

static json_t *describe_domains(struct summary *s)
{
    json_t *rows = json_array();
    HASH_SORT(s->domains, summary_by_recipients);
    struct domain *d, *next;
    HASH_ITER (hh, s->domains, d, next) {
        if (json_array_size(rows) < SUMMARY_SHOWN)
            json_array_append_new(rows, describe_domain(d));
        HASH_DEL(s->domains, d);
        free(d->reason);
        free(d);
    }
    return rows;
}

static void summary_end(struct summary *s)
{
    json_t *j = json_object();
    json_object_set_new(j, "states", describe_states(s));
    json_object_set_new(j, "domains", json_integer(HASH_COUNT(s->domains)));
    json_object_set_new(j, "acts", describe_acts(s));
    json_object_set_new(j, "trouble", describe_domains(s));
    json_object_set_new(j, "other", json_integer((json_int_t)s->other));
    queue_scan_leave(&s->walk);
    control_answer(s->call, EXIT_YES, j);
    free(s);
}

// On a worker's thread.
static void summary_on_worker(struct worker *worker, void *arg)
{
    struct summary *s = arg;
    if (!worker->queue || !queue_scan_on(worker->queue, &s->walk, SUMMARY_ROWS))
        s->worker++;
    inbox_post(s->mail, &s->item);
}

// On the main loop.
static void summary_on_piece(struct item *item)
{
    struct summary *s = list_of(item, struct summary, item);
    if (s->worker < s->relay->nworkers)
        worker_call(s->relay->workers[s->worker], summary_on_worker, s);
    else
        summary_end(s);
}

void control_summary(struct control_call *call, struct relay *relay, const json_t *request)
{
    (void)request;
    struct summary *s = mem_new(sizeof *s);
    s->item.run = summary_on_piece;
    s->call = call;
    s->relay = relay;
    s->mail = control_mail(call);
    s->walk.verb = QUEUE_LIST;
    s->walk.filter.state = -1;
    s->walk.each = summary_on_row;
    s->walk.arg = s;
    summary_on_piece(&s->item);
}
