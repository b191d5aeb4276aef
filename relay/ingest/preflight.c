// SPDX-License-Identifier: ISC
// The look that is taken at own mail before it is signed (relay/preflight/preflight.h): the facts of the session that
// it needs, and what the sender's row makes of what is found. Mail of others is not of our making, and not looked at.
#include "relay/preflight/preflight.h"

#include "relay/base/clock.h"
#include "relay/ingest/inside.h"
#include "relay/setup/publication.h"
#include "relay/worker/sizes.h"

#define SIZE_LEAST 65536 // RFC 5321 section 4.5.3.1.7: every host takes that much

static int preflight_mode_of(const struct ingest *g)
{
    int own = g->s.principal->row->preflight;
    return own >= 0 ? own : (int)g->s.setup->config->preflight;
}

// The domain that our signatures name; NULL: nothing signs.
static const char *signer_of(const struct ingest *g)
{
    const struct setup_domain *keys = setup_keys_for(g->s.setup, g->from_domain);
    for (size_t i = 0; keys && i < keys->config->nkeys; i++)
        if (publication_signs(keys, i))
            return keys->config->domain;
    return NULL;
}

// The relay wrote the field that is there.
static bool is_added(const struct ingest *g, const struct header *header, const char *name)
{
    const struct field *field = header_find(header, name, 0);
    return field && !ingest_was_received(g, field);
}

// What was heard of the bytes is about header and body together.
static bool body_eightbit(const struct message *m)
{
    if (!m->env.eightbit || !m->env.utf8_header)
        return m->env.eightbit;
    for (size_t i = 0; i < m->body.len; i++)
        if (m->body.data[i] > 127)
            return true;
    return false;
}

static bool header_ended(const struct message *m)
{
    const struct buf *h = &m->header;
    return h->len >= 2 && h->data[h->len - 1] == '\n' &&
           (h->len == 2 || (h->len >= 4 && h->data[h->len - 3] == '\n'));
}

// The first recipient's domain that takes less than this.
static void find_tight(const struct ingest *g, struct preflight_input *in)
{
    const struct envelope *env = &g->m->env;
    if (!g->s.sizes || in->size < SIZE_LEAST)
        return;
    for (size_t i = 0; i < env->nrcpts && !in->tight; i++) {
        uint64_t most = sizes_of(g->s.sizes, env->rcpts[i].domain);
        if (!most || most >= in->size)
            continue;
        in->tight = env->rcpts[i].domain;
        in->tight_size = most;
    }
}

int ingest_look(struct ingest *g, const struct header *header, struct why *why)
{
    const struct config *config = g->s.setup->config;
    const struct message *m = g->m;
    int mode = preflight_mode_of(g);
    if (mode == PREFLIGHT_OFF)
        return 0;
    struct preflight_input in = {
        .header = header,
        .body = buf_span(&m->body),
        .body_whole = !g->body_left && !m->large,
        .header_ended = header_ended(m),
        .eightbit = body_eightbit(m),
        .longest_line = g->longest_line,
        .date_added = is_added(g, header, "Date"),
        .message_id_added = is_added(g, header, "Message-ID"),
        .now_s = clock_s(),
        .smtputf8 = m->env.smtputf8,
        .binary = m->env.body == BODY_BINARYMIME,
        .sender = m->env.from,
        .nrcpts = m->env.nrcpts,
        .size = g->octets,
        .others_sign = config->delivery.nsmarthost || g->s.principal->row->nnext_hops,
        .signer = signer_of(g),
        .signing = &config->signing,
    };
    find_tight(g, &in);
    preflight_look(&in, &g->preflight);
    return mode == PREFLIGHT_REFUSE && preflight_problem(&g->preflight)
               ? preflight_refuse(&g->preflight, why)
               : 0;
}

const struct preflight *ingest_found(const struct ingest *g)
{
    return &g->preflight;
}
