// SPDX-License-Identifier: ISC
// The journal's thread: connects, serves the batch that is asked for, and does what was left over.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/base/naming.h"
#include "relay/fleet/ending.h"
#include "relay/fleet/journal_inside.h"
#include "relay/log/log.h"

#define PAUSE_MS 300 // after a failure

// ---- the connection

void journal_disconnect(struct journal *j)
{
    session_close(j->tables.session);
    j->tables.session = NULL;
    if (!j->without_ms)
        j->without_ms = clock_mono_ms();
    pthread_mutex_lock(&j->lock);
    j->ready = false;
    pthread_mutex_unlock(&j->lock);
}

// No statement_timeout: a COMMIT that is cut short says nothing about itself.
static int journal_greet(struct journal *j, struct why *why)
{
    if (session_script(j->tables.session, "SET statement_timeout = 0", why) < 0)
        return -1;
    if (j->preferred)
        session_patience(j->tables.session, JOURNAL_ALONE_MS);
    enum tables_end end = tables_open(&j->tables, why);
    if (end == TABLES_NOT && strcmp(session_state(j->tables.session), "WX001") == 0)
        j->options.lost(j->options.arg, why->text);
    return end == TABLES_DONE ? 0 : -1;
}

int journal_connect(struct journal *j, struct why *why)
{
    if (j->tables.session)
        return 0;
    j->tables.session = history_session(j->history, j->options.target, &j->host, j->stop, why);
    if (!j->tables.session)
        return -1;
    if (journal_greet(j, why) < 0) {
        journal_disconnect(j);
        return -1;
    }
    if (j->told)
        log_event("fleet", "the journal of the spool goes on");
    j->told = false;
    j->without_ms = 0;
    pthread_mutex_lock(&j->lock);
    j->ready = true;
    pthread_mutex_unlock(&j->lock);
    return 0;
}

// With `preferred` a run that cannot journal makes room for one that does not try to.
static void journal_give_up(struct journal *j, uint64_t since_ms)
{
    if (j->preferred && since_ms && clock_mono_ms() - since_ms > JOURNAL_ALONE_MS &&
        !ending_asked(j->stop, 0))
        j->options.lost(j->options.arg, "its journal was not answered in time");
}

static void journal_tell(struct journal *j, const struct why *why)
{
    if (!j->told)
        log_alarm("fleet", why->reason,
                  "the journal of the spool cannot be written, and no mail is taken: %s",
                  why->text);
    j->told = true;
}

// ---- segments

int64_t *journal_find(struct journal *j, uint64_t number)
{
    for (size_t i = 0; i < j->nknown; i++)
        if (j->known[i].number == number)
            return &j->known[i].id;
    return NULL;
}

void journal_know(struct journal *j, uint64_t number, int64_t id)
{
    j->known = mem_grow(j->known, j->nknown + 1, sizeof *j->known);
    j->known[j->nknown++] = (struct journal_known){number, id};
}

void journal_unknow(struct journal *j, uint64_t number)
{
    for (size_t i = 0; i < j->nknown; i++)
        if (j->known[i].number == number)
            j->known[i--] = j->known[--j->nknown];
}

enum tables_end journal_segment(struct journal *j, const struct segment_key *key, int64_t *id,
                                struct why *why)
{
    int64_t *known = journal_find(j, key->number);
    char number[24];
    unsigned char head[SEGMENT_HEAD];
    if (known) {
        *id = *known;
        return TABLES_DONE;
    }
    snprintf(number, sizeof number, "%" PRIu64, key->number);
    segment_head_encode(key, head);
    enum tables_end end = tables_begin(&j->tables, number, span_of(head, sizeof head), id, why);
    if (end != TABLES_DONE)
        return end;
    journal_know(j, key->number, *id);
    j->spare = false;
    return TABLES_DONE;
}

// All pieces, whichever of them are there already.
enum tables_end journal_large(struct journal *j, const char *name, struct why *why)
{
    char *path = mem_printf("%s/large/%s", j->spool, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char *piece = mem_new(TABLES_PIECE);
    enum tables_end end = TABLES_DONE;
    ssize_t n = fd < 0 ? -1 : 1;
    for (unsigned i = 0; n > 0 && end == TABLES_DONE; i++) {
        n = pread(fd, piece, TABLES_PIECE, (off_t)i * TABLES_PIECE);
        if (n > 0)
            end = tables_body(&j->tables, name, i, span_of(piece, (size_t)n), why);
    }
    if (n < 0) {
        why_set(why, WHY_OURS, "4.3.0", "%s: %s", path, strerror(errno));
        end = TABLES_NOT;
    }
    if (fd >= 0)
        close(fd);
    free(piece);
    free(path);
    return end;
}

// ---- a batch

static bool lost_now(struct journal *j, enum tables_end end)
{
    return end == TABLES_NOT && strcmp(session_state(j->tables.session), "WX001") == 0;
}

// What goes before it. *sent: the batch itself is on its way, so that its end may be unknown.
static enum tables_end put_batch(struct journal *j, bool *sent, struct why *why)
{
    int64_t id = 0;
    bool alone = false;
    enum tables_end end = journal_segment(j, &j->key, &id, why);
    for (size_t i = 0; i < j->nlarges && end == TABLES_DONE; i++)
        end = journal_large(j, j->larges[i], why);
    if (end != TABLES_DONE)
        return end;
    *sent = true;
    end = tables_put(&j->tables, id, j->at, buf_span(&j->bytes), &alone, why);
    if (end == TABLES_NOT)
        *sent = false;
    pthread_mutex_lock(&j->lock);
    j->state.alone = alone;
    j->state.batches += end == TABLES_DONE;
    j->state.bytes += end == TABLES_DONE ? j->bytes.len : 0;
    j->state.unknown += end == TABLES_UNKNOWN;
    pthread_mutex_unlock(&j->lock);
    return end;
}

// Nothing of the connection before can commit any more: it is there, or it never will be.
static enum tables_end look_for_batch(struct journal *j, bool *there, struct why *why)
{
    int64_t *id = journal_find(j, j->key.number);
    *there = false;
    return id ? tables_has(&j->tables, *id, j->at, there, why) : TABLES_DONE;
}

static enum spool_sink_answer try_batch(struct journal *j, bool *sent, struct why *why)
{
    bool there = false;
    if (journal_connect(j, why) < 0)
        return *sent ? SINK_WAIT : SINK_REFUSED;
    enum tables_end end = *sent ? look_for_batch(j, &there, why) : TABLES_DONE;
    if (end == TABLES_DONE && there)
        return SINK_DONE;
    if (end == TABLES_DONE) {
        *sent = false;
        end = put_batch(j, sent, why);
    }
    if (end == TABLES_DONE)
        return SINK_DONE;
    if (lost_now(j, end))
        j->options.lost(j->options.arg, why->text);
    bool refused = end == TABLES_NOT && !*sent;
    journal_disconnect(j);
    return refused ? SINK_REFUSED : SINK_WAIT;
}

static void journal_serve(struct journal *j)
{
    uint64_t began = clock_mono_ms(), until = began + JOURNAL_PATIENCE_MS;
    bool sent = false;
    struct why why;
    why_clear(&why);
    enum spool_sink_answer said = try_batch(j, &sent, &why);
    while (said == SINK_WAIT) {
        journal_give_up(j, began);
        bool ends = clock_mono_ms() > until || ending_asked(j->stop, PAUSE_MS);
        said = ends ? SINK_REFUSED : try_batch(j, &sent, &why);
    }
    if (said == SINK_REFUSED) {
        journal_tell(j, &why);
        why_say(&why, SPOOL_TROUBLE, "the fleet's database did not take it", "try again later");
    }
    pthread_mutex_lock(&j->lock);
    j->state.refused += said == SINK_REFUSED;
    j->phase = PHASE_ANSWERED;
    j->said = said;
    j->why = why;
    pthread_cond_signal(&j->answer);
    pthread_mutex_unlock(&j->lock);
}

// ---- what is left over

static enum tables_end do_chore(struct journal *j, const struct chore *c, struct why *why)
{
    int64_t *id = c->kind == CHORE_FORGET ? NULL : journal_find(j, c->number);
    if (c->kind == CHORE_FORGET)
        return tables_forget(&j->tables, c->name, why);
    if (!id)
        return TABLES_DONE;
    if (c->kind == CHORE_CUT)
        return tables_cut(&j->tables, *id, c->end, why);
    enum tables_end end = tables_drop(&j->tables, *id, why);
    if (end == TABLES_DONE)
        journal_unknow(j, c->number);
    return end;
}

static void end_chore(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    struct chore *c = j->first;
    j->first = c->next;
    if (!j->first)
        j->last = &j->first;
    j->cuts -= c->kind == CHORE_CUT;
    pthread_mutex_unlock(&j->lock);
    free(c->name);
    free(c);
}

// A drop that is done again finds nothing (42P01), as its first end was not heard of.
static bool journal_chore(struct journal *j, struct why *why)
{
    enum tables_end end = do_chore(j, j->first, why);
    bool gone = end == TABLES_NOT && strcmp(session_state(j->tables.session), "42P01") == 0;
    if (lost_now(j, end))
        j->options.lost(j->options.arg, why->text);
    if (gone)
        journal_unknow(j, j->first->number);
    if (end == TABLES_DONE || gone)
        end_chore(j);
    return end == TABLES_DONE || gone;
}

// The next segment's table, before it is needed.
static bool make_spare(struct journal *j, struct why *why)
{
    int64_t id;
    if (tables_begin(&j->tables, NULL, span_of(NULL, 0), &id, why) != TABLES_DONE)
        return false;
    j->spare = true;
    return true;
}

// ---- the thread

enum duty { DUTY_END, DUTY_BATCH, DUTY_CHORE, DUTY_SPARE, DUTY_CONNECT };

static enum duty next_duty(struct journal *j)
{
    enum duty duty = DUTY_END;
    pthread_mutex_lock(&j->lock);
    while (!j->stopping && j->phase != PHASE_ASKED && !j->first && j->spare && j->tables.session)
        pthread_cond_wait(&j->work, &j->lock);
    if (j->phase == PHASE_ASKED && (!j->cuts || j->stopping))
        duty = DUTY_BATCH;
    else if (j->stopping)
        duty = DUTY_END;
    else if (!j->tables.session)
        duty = DUTY_CONNECT;
    else if (j->first)
        duty = DUTY_CHORE;
    else
        duty = DUTY_SPARE;
    pthread_mutex_unlock(&j->lock);
    return duty;
}

static void do_duty(struct journal *j, enum duty duty)
{
    struct why why;
    bool done = true;
    if (duty == DUTY_BATCH)
        journal_serve(j);
    else if (duty == DUTY_CHORE)
        done = journal_chore(j, &why);
    else if (duty == DUTY_SPARE)
        done = make_spare(j, &why);
    else
        done = journal_connect(j, &why) == 0;
    if (done)
        return;
    journal_tell(j, &why);
    journal_disconnect(j);
    journal_give_up(j, j->without_ms);
    ending_asked(j->stop, PAUSE_MS);
}

void *journal_run(void *arg)
{
    naming_thread("journal");
    struct journal *j = arg;
    enum duty duty;
    while ((duty = next_duty(j)) != DUTY_END)
        do_duty(j, duty);
    return NULL;
}
