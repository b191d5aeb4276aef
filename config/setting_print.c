// SPDX-License-Identifier: ISC
// Values of the configuration as YAML text that reads back as the same value.
#include "config/setting.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "config/value.h"

// Always in double quotes, so that no text is taken for something else.
static void print_quoted(struct span text, struct buf *out)
{
    buf_addc(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = text.p[i];
        if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7F)
            buf_addf(out, "\\x%02X", c);
        else if (c == 0xC2 && i + 1 < text.n && text.p[i + 1] < 0xA0)
            buf_addf(out, "\\x%02X", text.p[++i]); // U+0080 to U+009F
        else
            buf_addc(out, (char)c);
    }
    buf_addc(out, '"');
}

static void print_choice(const struct schema_key *key, int value, struct buf *out)
{
    struct span rest = span_text(key->choices), head = rest, tail = rest;
    for (int i = 0; i <= value; i++) {
        if (!span_cut(rest, ' ', &head, &tail)) {
            head = rest;
            break;
        }
        rest = tail;
    }
    buf_addspan(out, head);
}

static void print_text(const struct schema_key *key, const char *text, struct buf *out)
{
    if (key->type == KEY_PROBE && !text[0])
        buf_adds(out, "off");
    else if (text[0] || key->flags & KEY_EMPTY)
        print_quoted(span_text(text), out);
}

static void print_written(const char *text, struct buf *out)
{
    buf_adds(out, text ? text : "");
}

static void print_structured(const struct schema_key *key, const void *field, struct buf *out)
{
    char text[VALUE_TEXT] = "";
    struct buf made;
    buf_init(&made, 1024);
    if (key->type == KEY_LISTEN)
        print_written(((const struct cfg_listen *)field)->text, &made);
    else if (key->type == KEY_SOCKET)
        print_written(((const struct cfg_socket *)field)->text, &made);
    else if (key->type == KEY_SENDER)
        value_sender_text(field, &made);
    else if (key->type == KEY_HOP)
        value_hop_text(field, &made);
    else if (key->type == KEY_NETWORK)
        value_network_text(field, text);
    else
        value_endpoint_text(field, text);
    buf_adds(&made, text);
    print_quoted(buf_span(&made), out);
    buf_free(&made);
}

void setting_print(const struct schema_key *key, const void *field, struct buf *out)
{
    char text[VALUE_TEXT] = "";
    int word = 0;
    switch (key->type) {
    case KEY_BOOL:
        buf_adds(out, *(const bool *)field ? "true" : "false");
        return;
    case KEY_SWITCH:
        print_choice(key, *(const bool *)field, out);
        return;
    case KEY_CHOICE:
        memcpy(&word, field, sizeof word);
        print_choice(key, word - key->base, out);
        return;
    case KEY_FAMILY:
        buf_adds(out, *(const int *)field == AF_INET6 ? "ipv6" : "ipv4");
        return;
    case KEY_NUMBER:
        buf_addf(out, "%" PRIu64, *(const uint64_t *)field);
        return;
    case KEY_PORT:
        buf_addf(out, "%u", *(const uint16_t *)field);
        return;
    case KEY_DURATION:
        value_duration_text(*(const uint64_t *)field, text);
        break;
    case KEY_SIZE:
        value_size_text(*(const uint64_t *)field, text);
        break;
    case KEY_RATE:
        value_rate_text(*(const struct rate *)field, text);
        break;
    case KEY_UNTIL:
        if (*(const int64_t *)field)
            value_until_text(*(const int64_t *)field, text);
        break;
    default:
        if (key->type <= KEY_PATH)
            print_text(key, *(char *const *)field, out);
        else
            print_structured(key, field, out);
        return;
    }
    buf_adds(out, text);
}
