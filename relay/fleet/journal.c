// SPDX-License-Identifier: ISC
// The journal as the spool's thread sees it, and its life.
#include "relay/fleet/journal_inside.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/lease.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"

#define BATCH_MAX   ((size_t)1 << 30) // bytes
#define FAREWELL_MS 5000              // for what is left to be dropped

static bool journal_ready(void *self)
{
    struct journal *j = self;
    pthread_mutex_lock(&j->lock);
    bool ready = j->ready && !j->cuts;
    pthread_mutex_unlock(&j->lock);
    return ready;
}

static void journal_submit(void *self, const struct spool_sink_batch *batch)
{
    struct journal *j = self;
    buf_reset(&j->bytes);
    for (int i = 0; i < batch->npieces; i++)
        buf_add(&j->bytes, batch->pieces[i].iov_base, batch->pieces[i].iov_len);
    j->key = *batch->key;
    j->at = batch->offset;
    j->larges = mem_new((batch->nlarges + 1) * sizeof *j->larges);
    j->nlarges = batch->nlarges;
    for (size_t i = 0; i < batch->nlarges; i++)
        j->larges[i] = mem_dup(batch->larges[i]);
    pthread_mutex_lock(&j->lock);
    j->phase = PHASE_ASKED;
    pthread_cond_signal(&j->work);
    pthread_mutex_unlock(&j->lock);
}

static void forget_batch(struct journal *j)
{
    for (size_t i = 0; i < j->nlarges; i++)
        free(j->larges[i]);
    free(j->larges);
    j->larges = NULL;
    j->nlarges = 0;
    if (j->bytes.cap > SPOOL_BATCH)
        buf_free(&j->bytes);
}

static enum spool_sink_answer journal_await(void *self, unsigned ms, struct why *why)
{
    struct journal *j = self;
    uint64_t until = clock_mono_ms() + ms;
    struct timespec at = {.tv_sec = (time_t)(until / 1000),
                          .tv_nsec = (long)(until % 1000) * 1000000};
    int rc = 0;
    pthread_mutex_lock(&j->lock);
    while (j->phase != PHASE_ANSWERED && rc == 0)
        rc = pthread_cond_timedwait(&j->answer, &j->lock, &at);
    enum spool_sink_answer said = j->phase == PHASE_ANSWERED ? j->said : SINK_WAIT;
    if (said != SINK_WAIT)
        j->phase = PHASE_IDLE;
    if (said == SINK_REFUSED)
        *why = j->why;
    pthread_mutex_unlock(&j->lock);
    if (said != SINK_WAIT)
        forget_batch(j);
    return said;
}

static void add_chore(struct journal *j, const struct chore *chore)
{
    struct chore *c = mem_new(sizeof *c);
    *c = *chore;
    pthread_mutex_lock(&j->lock);
    *j->last = c;
    j->last = &c->next;
    j->cuts += c->kind == CHORE_CUT;
    pthread_cond_signal(&j->work);
    pthread_mutex_unlock(&j->lock);
}

static void journal_cut(void *self, uint64_t number, uint64_t end)
{
    add_chore(self, &(struct chore){.kind = CHORE_CUT, .number = number, .end = end});
}

static void journal_drop(void *self, uint64_t number)
{
    add_chore(self, &(struct chore){.kind = CHORE_DROP, .number = number});
}

static void journal_forget(void *self, const char *large)
{
    add_chore(self, &(struct chore){.kind = CHORE_FORGET, .name = mem_dup(large)});
}

// ---- life

struct journal *journal_new(const struct journal_options *options)
{
    struct journal *j = mem_new(sizeof *j);
    pthread_condattr_t monotonic;
    j->options = *options;
    j->preferred = options->config->fleet.spool == FLEET_SPOOL_PREFERRED;
    j->sink = (struct spool_sink){.self = j,
                                  .prepare = journal_prepare,
                                  .attach = journal_attach,
                                  .ready = journal_ready,
                                  .submit = journal_submit,
                                  .await = journal_await,
                                  .cut = journal_cut,
                                  .drop = journal_drop,
                                  .forget = journal_forget};
    j->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    j->last = &j->first;
    pthread_mutex_init(&j->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&j->work, NULL);
    pthread_cond_init(&j->answer, &monotonic);
    pthread_condattr_destroy(&monotonic);
    buf_init(&j->bytes, BATCH_MAX);
    return j;
}

const struct spool_sink *journal_sink(struct journal *j)
{
    return &j->sink;
}

// What cannot be dropped now is found at the next start.
static void wait_for_chores(struct journal *j)
{
    uint64_t until = clock_mono_ms() + FAREWELL_MS;
    bool busy = j->running;
    while (busy && clock_mono_ms() < until) {
        pthread_mutex_lock(&j->lock);
        busy = (j->first && j->ready) || (j->heir.node && (!j->ready || j->cuts));
        pthread_mutex_unlock(&j->lock);
        if (busy)
            usleep(5000);
    }
}

void journal_hand_to(struct journal *j, const struct holder_heir *heir)
{
    j->heir = *heir;
}

// What the journal has too much got no 250; another would deliver it.
static void look_at_heir(struct journal *j)
{
    if (!j->heir.node || !j->holder)
        return;
    pthread_mutex_lock(&j->lock);
    bool whole = j->ready && !j->cuts;
    pthread_mutex_unlock(&j->lock);
    if (whole)
        holder_hand_to(j->holder, &j->heir);
    else
        log_alarm("fleet", REASON_NONE,
                  "this node could not give its mail to %s, and keeps it: the journal has "
                  "what does not count, or does not answer",
                  j->heir.name);
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    wait_for_chores(j);
    look_at_heir(j);
    pthread_mutex_lock(&j->lock);
    j->stopping = true;
    pthread_cond_signal(&j->work);
    pthread_mutex_unlock(&j->lock);
    eventfd_write(j->stop, 1);
    if (j->running)
        pthread_join(j->thread, NULL);
    journal_disconnect(j);
    holder_close(j->holder);
    history_close(j->history);
    while (j->first) {
        struct chore *c = j->first;
        j->first = c->next;
        free(c->name);
        free(c);
    }
    forget_batch(j);
    buf_free(&j->bytes);
    pthread_cond_destroy(&j->work);
    pthread_cond_destroy(&j->answer);
    pthread_mutex_destroy(&j->lock);
    close(j->stop);
    free(j->known);
    free(j->strays);
    free(j->spool);
    free(j);
}

bool journal_away(const struct journal *j, bool *leased)
{
    *leased = j->holder != NULL;
    return j->away;
}

int journal_tables(struct journal *j, struct tables *out, int stop, struct why *why)
{
    size_t host = 0;
    *out = (struct tables){
        .node = j->options.node, .epoch = holder_epoch(j->holder), .turn = -1, .log = j->log};
    out->session = history_session(j->history, j->options.target, &host, stop, why);
    return out->session ? 0 : -1;
}

void journal_get_state(struct journal *j, struct journal_state *out)
{
    pthread_mutex_lock(&j->lock);
    *out = j->state;
    out->ready = j->ready && !j->cuts;
    pthread_mutex_unlock(&j->lock);
    out->lease_ms = lease_left_ms();
}
