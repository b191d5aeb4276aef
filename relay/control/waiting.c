// SPDX-License-Identifier: ISC
// Asks every worker what waits for one domain, adds it up, answers.
#include "relay/control/waiting.h"

#include <stdlib.h>
#include "relay/base/exit.h"
#include "relay/base/mem.h"
#include "relay/base/reasons.h"
#include "relay/log/json.h"
#include "relay/queue/waiting.h"
#include "relay/smtp/reply_class.h"

struct question {
    struct item item;
    struct control_call *call;
    struct inbox *mail;
    char *domain;
    _Atomic unsigned left; // workers that have yet to answer
    unsigned n;
    struct queue_waiting parts[]; // one a worker, so that none is shared
};

struct visit {
    struct question *question;
    struct queue_waiting *part;
};

static void waiting_sum(struct queue_waiting *sum, const struct queue_waiting *part)
{
    struct queue_waiting both = *sum;
    if (part->reason[0] && (!sum->reason[0] || part->next_ms < sum->next_ms))
        both = *part;
    else if (!sum->reason[0] && part->next_ms < sum->next_ms)
        both.next_ms = part->next_ms;
    both.messages = sum->messages + part->messages;
    both.recipients = sum->recipients + part->recipients;
    both.fresh = sum->fresh + part->fresh;
    both.expires_ms = part->expires_ms < sum->expires_ms ? part->expires_ms : sum->expires_ms;
    both.notice_ms = part->notice_ms < sum->notice_ms ? part->notice_ms : sum->notice_ms;
    both.noticed = sum->noticed + part->noticed;
    both.owed = sum->owed + part->owed;
    both.since_ms = part->since_ms < sum->since_ms ? part->since_ms : sum->since_ms;
    *sum = both;
}

static json_t *waiting_moment(int64_t at_ms)
{
    return at_ms != INT64_MAX ? json_integer(at_ms / 1000) : json_null();
}

static void waiting_answer(struct item *item)
{
    struct question *q = list_of(item, struct question, item);
    struct queue_waiting sum = QUEUE_NOTHING_WAITS;
    for (unsigned i = 0; i < q->n; i++)
        waiting_sum(&sum, &q->parts[i]);
    bool timed = sum.recipients && sum.next_ms != INT64_MAX;
    bool known = sum.since_ms != INT64_MAX;
    json_t *j = json_object();
    json_object_set_new(j, "messages", json_integer((json_int_t)sum.messages));
    json_object_set_new(j, "recipients", json_integer((json_int_t)sum.recipients));
    json_object_set_new(j, "fresh", json_integer((json_int_t)sum.fresh));
    json_object_set_new(j, "since", known ? json_integer(sum.since_ms / 1000) : json_null());
    json_object_set_new(j, "next", timed ? json_integer(sum.next_ms / 1000) : json_null());
    json_object_set_new(j, "expires", waiting_moment(sum.expires_ms));
    json_object_set_new(j, "notice", waiting_moment(sum.notice_ms));
    json_object_set_new(j, "noticed", json_integer((json_int_t)sum.noticed));
    json_object_set_new(j, "owed", json_integer((json_int_t)sum.owed));
    json_object_set_new(j, "reason", json_text(sum.reason));
    json_object_set_new(j, "why", json_text(reason_row(sum.why)->name));
    json_object_set_new(j, "act", json_text(act_word(sum.act)));
    json_object_set_new(j, "class", json_text(reply_class_word((enum reply_class)sum.class)));
    control_answer(q->call, EXIT_YES, j);
    free(q->domain);
    free(q);
}

static void waiting_visit(struct worker *worker, void *arg)
{
    struct visit *visit = arg;
    struct question *q = visit->question;
    *visit->part = QUEUE_NOTHING_WAITS;
    if (worker->queue)
        queue_count_waiting(worker->queue, q->domain, visit->part);
    free(visit);
    if (--q->left == 0)
        inbox_post(q->mail, &q->item);
}

void control_waiting(struct control_call *call, struct relay *relay, const json_t *request)
{
    const char *domain = json_string_value(json_object_get(request, "domain"));
    if (!domain || !domain[0]) {
        control_error(call, EXIT_USAGE, "a domain is needed");
        return;
    }
    struct question *q = mem_new(sizeof *q + relay->nworkers * sizeof q->parts[0]);
    *q = (struct question){.item = {NULL, waiting_answer},
                           .call = call,
                           .mail = control_mail(call),
                           .domain = mem_dup(domain),
                           .left = relay->nworkers,
                           .n = relay->nworkers};
    for (unsigned i = 0; i < relay->nworkers; i++) {
        struct visit *visit = mem_new(sizeof *visit);
        *visit = (struct visit){q, &q->parts[i]};
        worker_call(relay->workers[i], waiting_visit, visit);
    }
}
