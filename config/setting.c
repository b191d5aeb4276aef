// SPDX-License-Identifier: ISC
// Fields of the configuration by the table of keys.
#include "config/setting.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/value.h"
#include "relay/base/mem.h"

static const char family_words[] = "ipv6 ipv4";

static bool is_text(enum schema_type type)
{
    return type <= KEY_PATH;
}

static int parse_probe(struct span text, char **out, struct why *why)
{
    if (span_is(text, "off") || span_is(text, ".")) {
        *out = mem_dup(span_is(text, ".") ? "." : "");
        return 0;
    }
    return value_domain(text, out, why);
}

static int parse_http(struct span text, char **out, struct why *why)
{
    struct sockaddr_storage address;
    char normal[VALUE_TEXT];
    if (value_endpoint(text, PORT_REQUIRED, &address, why) < 0)
        return -1;
    value_endpoint_text(&address, normal);
    *out = span_dup(text);
    return 0;
}

static int parse_word(const struct schema_key *key, struct span text, char **out, struct why *why)
{
    if (value_choice(text, key->choices, why) < 0)
        return -1;
    *out = span_dup(text);
    return 0;
}

static int parse_path(struct span text, const char *folder, char **out, struct why *why)
{
    if (value_text(text, out, why) < 0)
        return -1;
    if ((*out)[0] != '/') {
        char *relative = *out;
        const char *slash = folder[0] && folder[strlen(folder) - 1] == '/' ? "" : "/";
        *out = mem_printf("%s%s%s", folder, slash, relative);
        free(relative);
    }
    return 0;
}

static int parse_text(const struct schema_key *key, struct span text, const char *folder,
                      char **out, struct why *why)
{
    if (text.n == 0) {
        if (!(key->flags & KEY_EMPTY))
            return why_set(why, WHY_OURS, "5.3.5", "must not be empty");
        *out = mem_dup("");
        return 0;
    }
    switch (key->type) {
    case KEY_WORD:
        return parse_word(key, text, out, why);
    case KEY_HOST:
        return value_host(text, out, why);
    case KEY_DOMAIN:
        return value_domain(text, out, why);
    case KEY_RULE:
        return value_rule(text, out, why);
    case KEY_MAILBOX:
        return value_mailbox(text, out, why);
    case KEY_SELECTOR:
        return value_selector(text, out, why);
    case KEY_PIN:
        return value_pin(text, out, why);
    case KEY_PROBE:
        return parse_probe(text, out, why);
    case KEY_HTTP:
        return parse_http(text, out, why);
    case KEY_FILE:
    case KEY_PATH:
        return parse_path(text, folder, out, why);
    default:
        return value_text(text, out, why);
    }
}

static int parse_choice(const struct schema_key *key, struct span text, int *out, struct why *why)
{
    int i = value_choice(text, key->choices, why);
    if (i < 0)
        return -1;
    *out = key->base + i;
    return 0;
}

static int parse_switch(const struct schema_key *key, struct span text, bool *out, struct why *why)
{
    int i = value_choice(text, key->choices, why);
    if (i < 0)
        return -1;
    *out = i == 1;
    return 0;
}

static int parse_family(struct span text, int *out, struct why *why)
{
    int i = value_choice(text, family_words, why);
    if (i < 0)
        return -1;
    *out = i == 0 ? AF_INET6 : AF_INET;
    return 0;
}

static int out_of_range(const struct schema_key *key, struct span text, struct why *why)
{
    char low[VALUE_TEXT], high[VALUE_TEXT], quoted[VALUE_QUOTE];
    void (*print)(uint64_t, char[VALUE_TEXT]) =
        key->type == KEY_SIZE ? value_size_text : value_duration_text;
    print(key->min, low);
    print(key->max, high);
    return why_set(why, WHY_OURS, "5.3.5", "%s is out of range: %s to %s",
                   value_quote(text, quoted), low, high);
}

static int parse_amount(const struct schema_key *key, struct span text, uint64_t *out,
                        struct why *why)
{
    uint64_t n;
    if ((key->type == KEY_SIZE ? value_size : value_duration)(text, &n, why) < 0)
        return -1;
    if (n < key->min || n > key->max)
        return out_of_range(key, text, why);
    *out = n;
    return 0;
}

static int parse_port(const struct schema_key *key, struct span text, uint16_t *out,
                      struct why *why)
{
    uint64_t n;
    if (value_number(text, key->min, key->max, &n, why) < 0)
        return -1;
    *out = (uint16_t)n;
    return 0;
}

#define LISTEN_UNIX "unix:"

static int parse_socket(struct span text, struct sockaddr_storage *address, char **as_written,
                        struct why *why)
{
    int rc = span_starts_nocase(text, LISTEN_UNIX)
                 ? value_unix(span_from(text, strlen(LISTEN_UNIX)), address, why)
                 : value_endpoint(text, PORT_REQUIRED, address, why);
    if (rc < 0)
        return -1;
    free(*as_written);
    *as_written = span_dup(text);
    return 0;
}

static int parse_listen(struct span text, struct cfg_listen *out, struct why *why)
{
    return parse_socket(text, &out->address, &out->text, why);
}

static int parse_place(struct span text, struct cfg_socket *out, struct why *why)
{
    return parse_socket(text, &out->address, &out->text, why);
}

static int parse_value(const struct schema_key *key, struct span text, void *field, struct why *why)
{
    switch (key->type) {
    case KEY_BOOL:
        return value_bool(text, field, why);
    case KEY_SWITCH:
        return parse_switch(key, text, field, why);
    case KEY_CHOICE:
        return parse_choice(key, text, field, why);
    case KEY_NUMBER:
        return value_number(text, key->min, key->max, field, why);
    case KEY_PORT:
        return parse_port(key, text, field, why);
    case KEY_DURATION:
    case KEY_SIZE:
        return parse_amount(key, text, field, why);
    case KEY_RATE:
        return value_rate(text, field, why);
    case KEY_UNTIL:
        return value_until(text, field, why);
    case KEY_FAMILY:
        return parse_family(text, field, why);
    case KEY_ADDRESS:
        return value_endpoint(text, PORT_NONE, field, why);
    case KEY_SERVER:
        return value_endpoint(text, PORT_OPTIONAL, field, why);
    case KEY_LISTEN:
        return parse_listen(text, field, why);
    case KEY_SOCKET:
        return parse_place(text, field, why);
    case KEY_NETWORK:
        return value_network(text, field, why);
    case KEY_SENDER:
        return value_sender(text, field, why);
    case KEY_HOP:
        return value_hop(text, field, why);
    default:
        assert(!"a key without a value");
        return -1;
    }
}

int setting_parse(const struct schema_key *key, struct span text, const char *folder, void *field,
                  struct why *why)
{
    if (!is_text(key->type))
        return parse_value(key, text, field, why);
    char *value;
    if (parse_text(key, text, folder, &value, why) < 0)
        return -1;
    char **place = field;
    free(*place);
    *place = value;
    return 0;
}

// What an element holds beside its own bytes.
static void release_value(const struct schema_key *key, void *field)
{
    if (is_text(key->type)) {
        char **place = field;
        free(*place);
        *place = NULL;
    } else if (key->type == KEY_LISTEN) {
        struct cfg_listen *listen = field;
        free(listen->text);
    } else if (key->type == KEY_SOCKET) {
        struct cfg_socket *place = field;
        free(place->text);
    } else if (key->type == KEY_SENDER) {
        struct sender_pattern *pattern = field;
        free(pattern->text);
    } else if (key->type == KEY_HOP) {
        struct cfg_next_hop *hop = field;
        free(hop->name);
    } else if (key->type == KEY_ROWS) {
        setting_release(key->group, field);
    }
}

void *setting_field(const struct schema_key *key, void *base)
{
    return (char *)base + key->offset;
}

bool *setting_flag(size_t offset, void *base)
{
    return offset == SCHEMA_NONE ? NULL : (bool *)(void *)((char *)base + offset);
}

// The pointer field of a list has its own type in each struct, so it is read and written as bytes.
static void *list_at(const struct schema_key *key, const void *base)
{
    void *at;
    memcpy(&at, (const char *)base + key->offset, sizeof at);
    return at;
}

static bool is_zero(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

size_t setting_count(const struct schema_key *key, const void *base)
{
    size_t n = 0;
    if (key->count == SCHEMA_NONE) {
        const unsigned char *first = (const unsigned char *)base + key->offset;
        while (n < key->capacity && !is_zero(first + n * key->size, key->size))
            n++;
    } else {
        memcpy(&n, (const char *)base + key->count, sizeof n);
    }
    return n;
}

void *setting_element(const struct schema_key *key, void *base, size_t i)
{
    char *first = key->count == SCHEMA_NONE ? (char *)base + key->offset : list_at(key, base);
    return first + i * key->size;
}

void *setting_add(const struct schema_key *key, void *base)
{
    size_t n = setting_count(key, base);
    if (key->count == SCHEMA_NONE)
        return n < key->capacity ? setting_element(key, base, n) : NULL;
    char *at = mem_grow(list_at(key, base), n + 1, key->size);
    memset(at + n * key->size, 0, key->size);
    if (key->type == KEY_ROWS)
        setting_defaults(key->group, at + n * key->size);
    n++;
    memcpy((char *)base + key->offset, &at, sizeof at);
    memcpy((char *)base + key->count, &n, sizeof n);
    return at + (n - 1) * key->size;
}

void setting_empty(const struct schema_key *key, void *base)
{
    size_t n = setting_count(key, base);
    for (size_t i = 0; i < n; i++)
        release_value(key, setting_element(key, base, i));
    if (key->count == SCHEMA_NONE) {
        memset(setting_field(key, base), 0, key->capacity * key->size);
        return;
    }
    void *none = NULL;
    n = 0;
    free(list_at(key, base));
    memcpy((char *)base + key->offset, &none, sizeof none);
    memcpy((char *)base + key->count, &n, sizeof n);
}

static void must_parse(const struct schema_key *key, struct span text, void *field)
{
    struct why why;
    int rc = setting_parse(key, text, "/", field, &why);
    assert(rc == 0 && "a default of the table does not parse");
    (void)rc;
}

static void default_list(const struct schema_key *key, void *base)
{
    struct span rest = span_text(key->initial), head, tail;
    if (key->word && span_is(rest, key->word)) {
        *setting_flag(key->word_field, base) = true;
        return;
    }
    while (rest.n) {
        if (!span_cut(rest, ' ', &head, &tail)) {
            head = rest;
            tail = span_of("", 0);
        }
        must_parse(key, head, setting_add(key, base));
        rest = tail;
    }
}

void setting_defaults(const struct schema_group *group, void *base)
{
    for (const struct schema_key *key = group->keys; key->name; key++) {
        void *field = setting_field(key, base);
        if (key->flags & KEY_SECOND || key->type == KEY_ROWS)
            continue;
        if (key->type == KEY_GROUP)
            setting_defaults(key->group, field);
        else if (key->list)
            default_list(key, base);
        else if (key->initial)
            must_parse(key, span_text(key->initial), field);
        else if (is_text(key->type))
            *(char **)field = mem_dup("");
    }
}

void setting_release(const struct schema_group *group, void *base)
{
    for (const struct schema_key *key = group->keys; key->name; key++) {
        void *field = setting_field(key, base);
        if (key->flags & KEY_SECOND)
            continue;
        if (key->type == KEY_GROUP)
            setting_release(key->group, field);
        else if (key->list || key->type == KEY_ROWS)
            setting_empty(key, base);
        else
            release_value(key, field);
    }
}

void setting_fill_in(char **field, char *value)
{
    if ((*field)[0]) {
        free(value);
        return;
    }
    free(*field);
    *field = value;
}
