// SPDX-License-Identifier: ISC
// Drives a pure evaluation: looks up what it wants, evaluates again, until it is content.
#include <assert.h>
#include <stdlib.h>
#include "dns/dns.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"

struct dns_evaluation {
    struct dns *dns;
    struct inbox *mail;
    struct facts *facts;
    bool (*again)(void *arg);
    void (*done)(void *arg);
    void *arg;
    bool eager;
    struct list pending;
};

struct pending {
    struct list list; // of evaluation->pending until it is answered
    struct dns_evaluation *evaluation;
    struct dns_request *request;
    const char *name; // of the question in the facts; NULL: none
    uint16_t type;
};

static void evaluate_step(struct dns_evaluation *evaluation);

static struct dns_evaluation *evaluate_settle(struct pending *p)
{
    struct dns_evaluation *evaluation = p->evaluation;
    list_remove(&p->list);
    free(p);
    return evaluation;
}

static void evaluate_answered(const struct dns_answer *answer, void *arg)
{
    struct dns_evaluation *evaluation = evaluate_settle(arg);
    facts_put(evaluation->facts, dns_answer_ref((struct dns_answer *)answer));
    if (evaluation->eager || list_empty(&evaluation->pending))
        evaluate_step(evaluation);
}

static void evaluate_ask(struct dns_evaluation *evaluation, const char *name, uint16_t type,
                         const char *question, dns_fn *fn)
{
    struct pending *p = mem_new(sizeof *p);
    p->evaluation = evaluation;
    p->name = name;
    p->type = type;
    list_init(&p->list);
    list_append(&evaluation->pending, &p->list);
    p->request = dns_ask(evaluation->dns, evaluation->mail, question, type, fn, p);
}

// A question keeps its place in memory, so its name tells it from others.
static bool is_pending(const struct dns_evaluation *evaluation, const char *name, uint16_t type)
{
    list_each (it, &evaluation->pending) {
        const struct pending *p = list_of(it, struct pending, list);
        if (p->name == name && p->type == type)
            return true;
    }
    return false;
}

static void ask_all(struct dns_evaluation *evaluation)
{
    const char *name;
    uint16_t type;
    for (size_t i = 0; facts_wanted(evaluation->facts, i, &name, &type); i++)
        if (!is_pending(evaluation, name, type))
            evaluate_ask(evaluation, name, type, name, evaluate_answered);
}

static void evaluate_step(struct dns_evaluation *evaluation)
{
    bool more = evaluation->again(evaluation->arg);
    // An evaluation that wants more has said what it wants.
    assert(!more || facts_count_wanted(evaluation->facts) > 0);
    if (more) {
        ask_all(evaluation);
        return;
    }
    void (*done)(void *) = evaluation->done;
    void *arg = evaluation->arg;
    dns_evaluation_cancel(evaluation); // what it may have asked for and does not need
    done(arg);
}

static void evaluate_begin(const struct dns_answer *nothing, void *arg)
{
    (void)nothing;
    evaluate_step(evaluate_settle(arg));
}

static struct dns_evaluation *evaluation_new(const struct dns_evaluation *how)
{
    struct dns_evaluation *evaluation = mem_new(sizeof *evaluation);
    *evaluation = *how;
    list_init(&evaluation->pending);
    ask_all(evaluation);
    // Nothing is wanted yet, and no callback may run inside this call: a name that cannot be asked
    // comes back at once, on the loop.
    if (list_empty(&evaluation->pending))
        evaluate_ask(evaluation, NULL, 0, "..", evaluate_begin);
    return evaluation;
}

struct dns_evaluation *dns_evaluate(struct dns *dns, struct inbox *loop_inbox, struct facts *facts,
                                    bool (*again)(void *arg), void (*done)(void *arg), void *arg)
{
    return evaluation_new(&(struct dns_evaluation){
        .dns = dns, .mail = loop_inbox, .facts = facts, .again = again, .done = done, .arg = arg});
}

struct dns_evaluation *dns_evaluate_eager(struct dns *dns, struct inbox *loop_inbox,
                                          struct facts *facts, bool (*again)(void *arg),
                                          void (*done)(void *arg), void *arg)
{
    return evaluation_new(&(struct dns_evaluation){.dns = dns,
                                                   .mail = loop_inbox,
                                                   .facts = facts,
                                                   .again = again,
                                                   .done = done,
                                                   .arg = arg,
                                                   .eager = true});
}

bool dns_evaluation_waits(const struct dns_evaluation *evaluation, size_t i, const char **name,
                          uint16_t *type)
{
    if (!evaluation)
        return false;
    list_each (it, &evaluation->pending) {
        const struct pending *p = list_of(it, struct pending, list);
        if (!p->name || i--)
            continue;
        *name = p->name;
        *type = p->type;
        return true;
    }
    return false;
}

void dns_evaluation_cancel(struct dns_evaluation *evaluation)
{
    if (!evaluation)
        return;
    list_each_safe (it, &evaluation->pending) {
        struct pending *p = list_of(it, struct pending, list);
        dns_cancel(p->request);
        free(p);
    }
    free(evaluation);
}

static void evaluate_stop_loop(void *arg)
{
    uv_stop(*(uv_loop_t **)arg);
}

struct blocking {
    uv_loop_t *loop; // first, for evaluate_stop_loop
    bool (*again)(void *arg);
    void *arg;
};

static bool evaluate_again_blocking(void *arg)
{
    struct blocking *b = arg;
    return b->again(b->arg);
}

void dns_evaluate_blocking(struct dns *dns, struct facts *facts, bool (*again)(void *arg),
                           void *arg)
{
    uv_loop_t loop;
    int rc = uv_loop_init(&loop);
    assert(rc == 0);
    struct inbox *mail = inbox_open(&loop);
    struct blocking b = {&loop, again, arg};
    dns_evaluate(dns, mail, facts, evaluate_again_blocking, evaluate_stop_loop, &b);
    uv_run(&loop, UV_RUN_DEFAULT);
    inbox_close(mail);
    uv_run(&loop, UV_RUN_DEFAULT);
    rc = uv_loop_close(&loop);
    assert(rc == 0);
}
