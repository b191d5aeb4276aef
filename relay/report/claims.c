// SPDX-License-Identifier: ISC
// Questions in their order. A cancelled one is answered like any other, and nobody hears it.
#include "relay/report/claims.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "relay/base/list.h"
#include "relay/base/mem.h"

struct claims {
    pthread_mutex_t lock;
    struct list waiting; // claim
    int wake;
    _Atomic int64_t since; // -1: not known
};

struct claim {
    struct item item;
    struct list list;
    struct claim_question question;
    char *domain, *rua, *report_id;
    struct claim_answer answer;
    struct inbox *reply;
    claims_fn *fn; // the loop's alone; NULL: cancelled
    void *arg;
};

struct claims *claims_new(void)
{
    struct claims *c = mem_new(sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    list_init(&c->waiting);
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    atomic_store(&c->since, -1);
    return c;
}

static void claim_free(struct claim *claim)
{
    ledger_rows_free(&claim->answer.rows);
    sendings_free(&claim->answer.orphans);
    free(claim->answer.report_id);
    free(claim->domain);
    free(claim->rua);
    free(claim->report_id);
    free(claim);
}

void claims_free(struct claims *c)
{
    if (!c)
        return;
    list_each_safe (it, &c->waiting)
        claim_free(list_of(it, struct claim, list));
    if (c->wake >= 0)
        close(c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static void claims_on_answer(struct item *item)
{
    struct claim *claim = list_of(item, struct claim, item);
    if (claim->fn)
        claim->fn(&claim->answer, claim->arg);
    claim_free(claim);
}

struct claim *claims_ask(struct claims *c, const struct claim_question *question,
                         struct inbox *reply, claims_fn *fn, void *arg)
{
    struct claim *claim = mem_new(sizeof *claim);
    list_init(&claim->list);
    claim->item.run = claims_on_answer;
    claim->question = *question;
    claim->question.domain = claim->domain = mem_dup(question->domain);
    claim->question.rua = claim->rua = mem_dup(question->rua);
    claim->question.report_id = claim->report_id = mem_dup(question->report_id);
    claim->reply = reply;
    claim->fn = fn;
    claim->arg = arg;
    pthread_mutex_lock(&c->lock);
    list_append(&c->waiting, &claim->list);
    eventfd_write(c->wake, 1);
    pthread_mutex_unlock(&c->lock);
    return claim;
}

void claims_cancel(struct claim *claim)
{
    if (claim)
        claim->fn = NULL;
}

int claims_of_day(const struct claims *c, int64_t day)
{
    int64_t since = atomic_load(&c->since);
    return since < 0 ? -1 : day >= since;
}

// ---- for whoever answers

void claims_since(struct claims *c, int64_t day)
{
    atomic_store(&c->since, day);
}

int claims_wake(const struct claims *c)
{
    return c->wake;
}

struct claim *claims_next(struct claims *c)
{
    struct claim *claim = NULL;
    pthread_mutex_lock(&c->lock);
    if (!list_empty(&c->waiting)) {
        claim = list_of(c->waiting.next, struct claim, list);
        list_remove(&claim->list);
    }
    eventfd_t n;
    if (list_empty(&c->waiting))
        eventfd_read(c->wake, &n);
    pthread_mutex_unlock(&c->lock);
    return claim;
}

const struct claim_question *claim_asked(const struct claim *claim)
{
    return &claim->question;
}

struct claim_answer *claim_reply(struct claim *claim)
{
    return &claim->answer;
}

void claims_answer(struct claim *claim)
{
    inbox_post(claim->reply, &claim->item);
}
