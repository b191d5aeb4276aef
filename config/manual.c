// SPDX-License-Identifier: ISC
// The table of keys as paragraphs of waxwing.yaml(5), in roff.
#include "config/load.h"

#include <stdio.h>
#include <string.h>
#include "config/schema.h"
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

static void add_group(struct buf *out, const struct schema_group *group, const char *path)
{
    for (const struct schema_key *key = group->keys; key->name; key++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s%s", path, path[0] ? "." : "", key->name);
        buf_adds(out, ".TP\n.B ");
        add_roff(out, name);
        buf_adds(out, "\n");
        if (key->type != KEY_GROUP) {
            add_facts(out, key);
            buf_adds(out, "\n");
        }
        add_roff(out, key->text);
        buf_adds(out, ".\n");
        if (key->group)
            add_group(out, key->group, name);
    }
}

void config_manual(struct buf *out)
{
    add_group(out, &schema_top, "");
}
