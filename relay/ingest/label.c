// SPDX-License-Identifier: ISC
// The names that an application knows its message by, for events: its Message-ID, and X-Waxwing-Tag of own mail, which
// is not sent on.
#include <stdlib.h>
#include <string.h>
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/ingest/inside.h"

#define LABEL_MAX 255 // bytes that are kept

static void label_set(char **field, char *text)
{
    free(*field);
    *field = text;
}

// Its printable bytes on one line, as many as are kept.
static char *label_of(struct span value)
{
    struct buf out;
    buf_init(&out, LABEL_MAX);
    value = span_trim(value);
    for (size_t i = 0; i < value.n && out.len < LABEL_MAX; i++)
        if (value.p[i] >= ' ' && value.p[i] != 127)
            buf_addc(&out, (char)value.p[i]);
    return buf_take(&out);
}

char *ingest_message_id(const struct ingest *g)
{
    const struct field *id = header_find(&g->header, "Message-ID", 0);
    char own[ID_TEXT];
    id_text(g->m->env.id, own);
    return id ? label_of(header_message_id(id->value))
              : mem_printf("%s@%s", own, g->s.setup->config->hostname);
}

void ingest_label(struct ingest *g)
{
    struct envelope *env = &g->m->env;
    const struct field *tag = g->kind == INGEST_OWN ? header_find(&g->header, INGEST_TAG, 0) : NULL;
    if (g->s.setup->config->nsinks) // nobody else asks for it, and each that waits would carry it
        label_set(&env->message_id, ingest_message_id(g));
    if (tag)
        label_set(&env->tag, label_of(tag->value));
}
