// SPDX-License-Identifier: ISC
// A whole configuration as YAML that loads again to the same: `waxwing run --print-config`.
#include "config/load.h"

#include <string.h>
#include "config/setting.h"

#define INDENT 2

static void pad(struct buf *out, size_t columns)
{
    while (columns--)
        buf_addc(out, ' ');
}

static void print_list(const struct schema_key *key, void *base, struct buf *out)
{
    const bool *word = setting_flag(key->word_field, base);
    if (word && *word) {
        buf_adds(out, key->word);
        return;
    }
    buf_addc(out, '[');
    for (size_t i = 0; i < setting_count(key, base); i++) {
        if (i)
            buf_adds(out, ", ");
        setting_print(key, setting_element(key, base, i), out);
    }
    buf_addc(out, ']');
}

static void print_group(const struct schema_group *group, void *base, size_t column,
                        struct buf *out);

static void print_rows(const struct schema_key *key, void *base, size_t column, struct buf *out)
{
    size_t n = setting_count(key, base);
    if (n == 0)
        buf_adds(out, " []");
    for (size_t i = 0; i < n; i++) {
        buf_addc(out, '\n');
        pad(out, column + INDENT);
        buf_adds(out, "- ");
        // The row's first key stands behind the dash: drop the line break and padding before it.
        struct buf row;
        buf_init(&row, out->max);
        size_t inner = column + 2 * INDENT;
        print_group(key->group, setting_element(key, base, i), inner, &row);
        buf_addspan(out, span_from(buf_span(&row), 1 + inner));
        buf_free(&row);
    }
}

// A group that is nothing without some key, and has it not: nobody wrote it, whatever its other keys default to.
static bool is_unwritten(const struct schema_group *group, void *base)
{
    struct buf text;
    buf_init(&text, CONFIG_PRINT_SIZE);
    bool unwritten = false;
    for (const struct schema_key *key = group->keys; key->name && !unwritten; key++) {
        if (!(key->flags & KEY_REQUIRED) || key->list)
            continue;
        buf_reset(&text);
        setting_print(key, setting_field(key, base), &text);
        unwritten = !text.len;
    }
    buf_free(&text);
    return unwritten;
}

// "NAME: VALUE" on a new line; nothing where there is no value to write.
static void print_key(const struct schema_key *key, void *base, size_t column, struct buf *out)
{
    const bool *written = setting_flag(key->written, base);
    if ((written && !*written) || key->flags & (KEY_SECOND | KEY_UNPRINTED))
        return;
    size_t start = out->len;
    buf_addc(out, '\n');
    pad(out, column);
    buf_addf(out, "%s:", key->name);
    size_t named = out->len;
    void *field = setting_field(key, base);
    if (key->type == KEY_GROUP) {
        if (!is_unwritten(key->group, field))
            print_group(key->group, field, column + INDENT, out);
    } else if (key->type == KEY_ROWS) {
        print_rows(key, base, column, out);
    } else {
        buf_addc(out, ' ');
        named = out->len;
        if (key->list)
            print_list(key, base, out);
        else
            setting_print(key, field, out);
    }
    if (out->len == named)
        buf_cut(out, start);
}

static void print_group(const struct schema_group *group, void *base, size_t column,
                        struct buf *out)
{
    for (const struct schema_key *key = group->keys; key->name; key++)
        print_key(key, base, column, out);
}

void config_print(const struct config *config, struct buf *out)
{
    struct buf text;
    buf_init(&text, out->max);
    print_group(&schema_top, (struct config *)config, 0, &text); // read only
    buf_addspan(out, span_from(buf_span(&text), 1));
    buf_addc(out, '\n');
    buf_free(&text);
}

void config_each(const struct config *config,
                 void (*fn)(const char *name, struct span printed, void *arg), void *arg)
{
    struct buf text;
    buf_init(&text, CONFIG_PRINT_SIZE);
    for (const struct schema_key *key = schema_top.keys; key->name; key++) {
        buf_reset(&text);
        print_key(key, (struct config *)config, 0, &text); // read only
        fn(key->name, buf_span(&text), arg);
    }
    buf_free(&text);
}

static bool key_differs(const struct schema_key *key, const struct config *a,
                        const struct config *b)
{
    struct buf x, y;
    buf_init(&x, CONFIG_PRINT_SIZE);
    buf_init(&y, CONFIG_PRINT_SIZE);
    print_key(key, (struct config *)a, 0, &x);
    print_key(key, (struct config *)b, 0, &y);
    bool differs = !span_equal(buf_span(&x), buf_span(&y));
    buf_free(&x);
    buf_free(&y);
    return differs;
}

bool config_differs(const struct config *a, const struct config *b, const char *name)
{
    return key_differs(schema_find(&schema_top, name, strlen(name)), a, b);
}

void config_fixed_changes(const struct config *now, const struct config *next, struct buf *out)
{
    for (const struct schema_key *key = schema_top.keys; key->name; key++)
        if (key->flags & KEY_FIXED && key_differs(key, now, next))
            buf_addf(out, "%s%s", out->len ? ", " : "", key->name);
}
