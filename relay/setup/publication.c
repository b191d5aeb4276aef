// SPDX-License-Identifier: ISC
// Which keys are published, asked every hour (RFC 6376 section 3.6). Changes nothing but the marks in the
// setup, and says what it left out.
#include "relay/setup/publication.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/log/log.h"

struct row {
    const struct setup_domain *domain; // of the setup
    size_t index;
    struct publication_key known;
    enum published answer;
    char text[256];
};

struct publication {
    struct inbox *mail;
    struct dns *dns;
    struct setup *setup;
    uv_timer_t timer;
    struct facts *facts; // while a look is under way
    struct dns_evaluation *evaluation;
    struct row *rows; // every key of the setup
    size_t nrows;
};

bool publication_signs(const struct setup_domain *domain, size_t key)
{
    if (!domain->published || domain->published[key] != PUBLICATION_MISSING)
        return true;
    for (size_t i = 0; i < domain->config->nkeys; i++)
        if (domain->published[i] == PUBLICATION_SEEN)
            return false;
    return true;
}

bool publication_hear(struct publication_key *key, enum published answer, uint64_t now_ms)
{
    if (answer == PUBLISHED_UNKNOWN)
        return false;
    enum publication_state says = answer == PUBLISHED_SAME ? PUBLICATION_SEEN : PUBLICATION_MISSING;
    if (says == key->state || key->state == PUBLICATION_UNKNOWN) {
        bool news = says != key->state;
        *key = (struct publication_key){.state = says};
        return news;
    }
    if (!key->doubted) {
        key->doubted = true;
        key->doubted_ms = now_ms;
        return false;
    }
    if (now_ms - key->doubted_ms < PUBLICATION_AGAIN_MS)
        return false;
    *key = (struct publication_key){.state = says};
    return true;
}

static const struct cfg_key *config_of(const struct row *row)
{
    return &row->domain->config->keys[row->index];
}

static void mark(const struct row *row)
{
    row->domain->published[row->index] = (unsigned char)row->known.state;
}

static void tell_change(const struct row *row)
{
    const char *selector = config_of(row)->selector, *domain = row->domain->config->domain;
    if (row->known.state == PUBLICATION_MISSING)
        log_alarm("dkim", REASON_KEY_UNPUBLISHED, "key %s of %s is not to be found (%s)%s",
                  selector, domain, row->text,
                  publication_signs(row->domain, row->index)
                      ? "; no other key of the domain is published, so it signs all the same"
                      : "; it is left out while another key signs");
    else
        log_event("key", "key %s of %s is published and signs", selector, domain);
}

// A domain of which no key is to be found: its signatures are broken for every receiver.
static void tell_missing(const struct publication *p)
{
    for (size_t d = 0; d < p->setup->config->ndkim; d++) {
        const struct setup_domain *domain = &p->setup->domains[d];
        size_t missing = 0;
        for (size_t k = 0; k < domain->config->nkeys; k++)
            missing += domain->published[k] == PUBLICATION_MISSING;
        if (missing && missing == domain->config->nkeys)
            log_alarm("dkim", REASON_KEY_UNPUBLISHED,
                      "no key of %s is published; mail is signed all the same",
                      domain->config->domain);
    }
}

static bool publication_look(void *arg)
{
    struct publication *p = arg;
    bool waits = false;
    for (size_t i = 0; i < p->nrows; i++) {
        struct row *row = &p->rows[i];
        waits |= published_check(row->domain->config->domain, config_of(row)->selector,
                                 row->domain->keys[row->index], p->facts, &row->answer, row->text);
    }
    return waits;
}

static void publication_on_timer(uv_timer_t *timer);

static void publication_looked(void *arg)
{
    struct publication *p = arg;
    p->evaluation = NULL;
    uint64_t now = clock_mono_ms();
    bool unknown = false;
    for (size_t i = 0; i < p->nrows; i++) {
        bool first = p->rows[i].known.state == PUBLICATION_UNKNOWN;
        bool changed = publication_hear(&p->rows[i].known, p->rows[i].answer, now);
        mark(&p->rows[i]);
        unknown |= p->rows[i].known.state == PUBLICATION_UNKNOWN;
        if (changed && !(first && p->rows[i].known.state == PUBLICATION_SEEN))
            tell_change(&p->rows[i]);
    }
    tell_missing(p);
    if (unknown) // the DNS could not tell
        uv_timer_start(&p->timer, publication_on_timer, PUBLICATION_SOON_MS, PUBLICATION_AGAIN_MS);
    facts_free(p->facts);
    p->facts = NULL;
}

static void stop_looking(struct publication *p)
{
    dns_evaluation_cancel(p->evaluation);
    facts_free(p->facts);
    p->evaluation = NULL;
    p->facts = NULL;
}

static void publication_on_timer(uv_timer_t *timer)
{
    struct publication *p = timer->data;
    if (p->evaluation || !p->setup->config->require_published)
        return;
    for (size_t i = 0; i < p->nrows; i++) { // the same answer out of the cache is no second one
        char name[600];
        snprintf(name, sizeof name, "%s._domainkey.%s", config_of(&p->rows[i])->selector,
                 p->rows[i].domain->config->domain);
        dns_forget(p->dns, name);
    }
    p->facts = facts_new();
    p->evaluation =
        dns_evaluate(p->dns, p->mail, p->facts, publication_look, publication_looked, p);
}

// The same name and the same key.
static bool same_key(const struct row *a, const struct row *b)
{
    struct buf ours, theirs;
    buf_init(&ours, 16384);
    buf_init(&theirs, 16384);
    bool same = strcmp(a->domain->config->domain, b->domain->config->domain) == 0 &&
                strcmp(config_of(a)->selector, config_of(b)->selector) == 0 &&
                sign_key_record(a->domain->keys[a->index], &ours) == 0 &&
                sign_key_record(b->domain->keys[b->index], &theirs) == 0 &&
                span_equal(buf_span(&ours), buf_span(&theirs));
    buf_free(&ours);
    buf_free(&theirs);
    return same;
}

static void list_keys(struct publication *p)
{
    p->rows = NULL;
    p->nrows = 0;
    for (size_t d = 0; d < p->setup->config->ndkim; d++)
        for (size_t k = 0; k < p->setup->config->dkim[d].nkeys; k++) {
            p->rows = mem_grow(p->rows, p->nrows + 1, sizeof *p->rows);
            p->rows[p->nrows++] = (struct row){.domain = &p->setup->domains[d], .index = k};
        }
}

struct publication *publication_open(uv_loop_t *loop, struct inbox *mail, struct dns *dns,
                                     struct setup *setup)
{
    struct publication *p = mem_new(sizeof *p);
    p->mail = mail;
    p->dns = dns;
    p->setup = setup_ref(setup);
    list_keys(p);
    uv_timer_init(loop, &p->timer);
    p->timer.data = p;
    uv_timer_start(&p->timer, publication_on_timer, 0, PUBLICATION_AGAIN_MS);
    return p;
}

void publication_reload(struct publication *p, struct setup *setup)
{
    struct setup *old = p->setup;
    struct row *known = p->rows;
    size_t nknown = p->nrows;
    bool fresh =
        !old->config->require_published || p->evaluation; // a look that ends here is made again
    stop_looking(p);
    p->setup = setup_ref(setup);
    list_keys(p);
    for (size_t i = 0; i < p->nrows; i++) {
        size_t k = 0;
        while (k < nknown && !same_key(&p->rows[i], &known[k]))
            k++;
        if (k < nknown)
            p->rows[i].known = known[k].known;
        fresh |= p->rows[i].known.state == PUBLICATION_UNKNOWN;
        if (setup->config->require_published)
            mark(&p->rows[i]);
    }
    free(known);
    setup_unref(old);
    if (fresh) // a key of which nothing is known yet
        uv_timer_start(&p->timer, publication_on_timer, 0, PUBLICATION_AGAIN_MS);
}

static void publication_timer_closed(uv_handle_t *handle)
{
    struct publication *p = handle->data;
    setup_unref(p->setup);
    free(p->rows);
    free(p);
}

void publication_close(struct publication *p)
{
    if (!p)
        return;
    stop_looking(p);
    uv_close((uv_handle_t *)&p->timer, publication_timer_closed);
}
