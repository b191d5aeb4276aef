// SPDX-License-Identifier: ISC
// The table of keys as paragraphs of waxwing.yaml(5), in mdoc.
#include "config/load.h"

#include <stdio.h>
#include <string.h>
#include "config/schema_manual.h"
#include "config/value.h"

static const char *const type_words[] = {
    [KEY_TEXT] = "text",
    [KEY_WORD] = "word",
    [KEY_HOST] = "host name",
    [KEY_DOMAIN] = "domain",
    [KEY_RULE] = "domain or pattern",
    [KEY_MAILBOX] = "mail address",
    [KEY_SELECTOR] = "selector",
    [KEY_PIN] = "pin",
    [KEY_PROBE] = "domain or off",
    [KEY_HTTP] = "address:port",
    [KEY_FILE] = "file",
    [KEY_PATH] = "path",
    [KEY_BOOL] = "true or false",
    [KEY_SWITCH] = "word",
    [KEY_CHOICE] = "word",
    [KEY_NUMBER] = "number",
    [KEY_PORT] = "port",
    [KEY_DURATION] = "duration",
    [KEY_SIZE] = "size",
    [KEY_RATE] = "rate",
    [KEY_UNTIL] = "date or never",
    [KEY_FAMILY] = "word",
    [KEY_ADDRESS] = "address",
    [KEY_SERVER] = "address",
    [KEY_LISTEN] = "address:port",
    [KEY_SOCKET] = "address:port or Unix socket",
    [KEY_NETWORK] = "network",
    [KEY_SENDER] = "domain, address or pattern",
    [KEY_HOP] = "next hop",
    [KEY_GROUP] = "section",
    [KEY_ROWS] = "list of sections",
};

// Escapes what roff reads as its own: backslash, hyphen (so that it can be copied), a dot or quote
// that begins a line.
static void add_roff(struct buf *out, const char *text)
{
    for (size_t i = 0; text[i]; i++) {
        if (text[i] == '\\')
            buf_adds(out, "\\e");
        else if (text[i] == '-')
            buf_adds(out, "\\-");
        else if (i == 0 && (text[i] == '.' || text[i] == '\''))
            buf_addf(out, "\\&%c", text[i]);
        else if (i && text[i] == ' ' && text[i - 1] == '.')
            buf_addc(out, '\n'); // a sentence begins a line
        else
            buf_addc(out, text[i]);
    }
}

static void add_range(struct buf *out, const struct schema_key *key)
{
    char low[VALUE_TEXT], high[VALUE_TEXT];
    if (key->type == KEY_NUMBER || key->type == KEY_PORT) {
        snprintf(low, sizeof low, "%llu", (unsigned long long)key->min);
        snprintf(high, sizeof high, "%llu", (unsigned long long)key->max);
    } else if (key->type == KEY_DURATION) {
        value_duration_text(key->min, low);
        value_duration_text(key->max, high);
    } else if (key->type == KEY_SIZE) {
        value_size_text(key->min, low);
        value_size_text(key->max, high);
    } else {
        return;
    }
    buf_addf(out, ", %s to %s", low, high);
}

static void add_choices(struct buf *out, const struct schema_key *key)
{
    buf_adds(out, ": ");
    for (const char *c = key->choices; *c; c++)
        if (*c == ' ')
            buf_adds(out, ", ");
        else
            buf_addc(out, *c);
}

// "(list of network; default: none; a restart applies it)"
static void add_facts(struct buf *out, const struct schema_key *key)
{
    buf_addf(out, "(%s%s", key->list ? "list of: " : "", type_words[key->type]);
    if (key->choices)
        add_choices(out, key);
    add_range(out, key);
    if (key->flags & KEY_REQUIRED)
        buf_adds(out, "; required");
    if (key->initial || key->otherwise) {
        buf_adds(out, "; default: ");
        add_roff(out, key->initial ? key->initial : key->otherwise);
    }
    if (key->flags & KEY_FIXED)
        buf_adds(out, "; a reload does not apply it");
    buf_adds(out, ")");
}

// Where a key stands: its name with dots, and the YAML around it.
struct place {
    char path[128], open[192], close[32];
};

static struct place place_below(const struct place *above, const struct schema_key *key)
{
    struct place p;
    bool nested = above->path[0] != 0;
    snprintf(p.path, sizeof p.path, "%s%s%s", above->path, nested ? "." : "", key->name);
    snprintf(p.open, sizeof p.open, "%s%s: %s", above->open, key->name,
             key->type == KEY_ROWS    ? "[{"
             : key->type == KEY_GROUP ? "{"
                                      : "");
    snprintf(p.close, sizeof p.close, "%s%s",
             key->type == KEY_ROWS    ? "}]"
             : key->type == KEY_GROUP ? "}"
                                      : "",
             above->close);
    return p;
}

static void add_example(struct buf *out, const struct schema_key *key, const struct place *place)
{
    struct buf yaml;
    buf_init(&yaml, 4096);
    buf_adds(&yaml, place->open);
    manual_example(&yaml, key, place->path);
    buf_adds(&yaml, place->close);
    buf_adds(out, ".Bd -literal -offset 2n -compact\n");
    add_roff(out, buf_text(&yaml));
    buf_adds(out, "\n.Ed\n");
    buf_free(&yaml);
}

static void add_group(struct buf *out, const struct schema_group *group, const struct place *above)
{
    for (const struct schema_key *key = group->keys; key->name; key++) {
        struct place place = place_below(above, key);
        buf_addf(out, ".It Cm %s\n", place.path);
        if (key->type != KEY_GROUP) {
            add_facts(out, key);
            buf_adds(out, "\n");
        }
        add_roff(out, key->text);
        buf_adds(out, ".\n");
        if (key->group)
            add_group(out, key->group, &place);
        else
            add_example(out, key, &place);
    }
}

void config_manual(struct buf *out)
{
    add_group(out, &schema_top, &(struct place){.path = ""});
}
