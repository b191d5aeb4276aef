// SPDX-License-Identifier: ISC
// Tag lists (RFC 6376 section 3.2, with the UTF-8 of RFC 8616).
#include "sign/tags.h"

static bool name_valid(struct span name)
{
    if (!name.n || !ascii_is_alpha(name.p[0]))
        return false;
    for (size_t i = 1; i < name.n; i++)
        if (!ascii_is_alnum(name.p[i]) && name.p[i] != '_')
            return false;
    return true;
}

static bool value_valid(struct span value)
{
    for (size_t i = 0; i < value.n; i++)
        if ((value.p[i] < 33 && !ascii_is_space(value.p[i])) || value.p[i] == 127)
            return false;
    return true;
}

static const struct tag *sign_tags_find(const struct tags *tags, struct span name)
{
    for (size_t i = 0; i < tags->n; i++)
        if (span_equal(tags->at[i].name, name))
            return &tags->at[i];
    return NULL;
}

bool tags_parse(struct span text, struct tags *out)
{
    out->n = 0;
    while (span_trim(text).n) {
        struct span spec = text;
        struct span rest = span_from(text, text.n);
        span_cut(text, ';', &spec, &rest);
        struct tag tag;
        if (out->n == MAX_TAGS || !span_cut(spec, '=', &tag.name, &tag.raw))
            return false;
        tag.name = span_trim(tag.name);
        tag.value = span_trim(tag.raw);
        if (!name_valid(tag.name) || !value_valid(tag.value) || sign_tags_find(out, tag.name))
            return false;
        out->at[out->n++] = tag;
        text = rest;
    }
    return out->n > 0;
}

const struct tag *tags_find(const struct tags *tags, const char *name)
{
    return sign_tags_find(tags, span_text(name));
}

bool tags_is(const struct tags *tags, const char *name, const char *value)
{
    const struct tag *tag = tags_find(tags, name);
    return tag && span_is(tag->value, value);
}

bool tag_lists(struct span value, char separator, const char *word)
{
    struct span head, tail;
    while (span_cut(value, separator, &head, &tail)) {
        if (span_is(span_trim(head), word))
            return true;
        value = tail;
    }
    return span_is(span_trim(value), word);
}
