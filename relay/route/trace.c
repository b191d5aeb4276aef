// SPDX-License-Identifier: ISC
// Makes the explanation of a planning shorter, and the same each time.
#include "relay/route/trace.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/route/explain.h"
#include "relay/log/json.h"
#include "relay/trace/text.h"

static bool is_passing(const char *key)
{
    static const char *const keys[] = {"ttl", "server", "fetched", "seen", "source_address"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static bool is_empty(const json_t *value)
{
    return json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0) ||
           (json_is_integer(value) && json_integer_value(value) == 0);
}

static void shorten(json_t *value);

static void shorten_object(json_t *object)
{
    void *next;
    const char *key;
    json_t *member;
    json_object_foreach_safe(object, next, key, member)
    {
        shorten(member);
        if (is_passing(key) || is_empty(member))
            json_object_del(object, key);
    }
}

// The depth is that of the explanation.
static void shorten(json_t *value)
{
    size_t i;
    json_t *one;
    if (json_is_object(value))
        shorten_object(value);
    else
        json_array_foreach (value, i, one)
            shorten(one);
}

static int trace_compare(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    if (json_is_string(x) && json_is_string(y))
        return strcmp(json_string_value(x), json_string_value(y));
    json_int_t p = json_number_of(x, "preference"), q = json_number_of(y, "preference");
    if (p != q)
        return p < q ? -1 : 1;
    const char *s = json_string_value(json_object_get(x, "host"));
    const char *t = json_string_value(json_object_get(y, "host"));
    return strcmp(s ? s : "", t ? t : "");
}

// Equal preferences and addresses were shuffled; attempts say in which order they were tried.
static void sort_members(json_t *object, const char *key)
{
    json_t *list = json_object_get(object, key);
    size_t n = json_array_size(list);
    if (n < 2)
        return;
    json_t **all = mem_new(n * sizeof(json_t *));
    for (size_t i = 0; i < n; i++)
        all[i] = json_incref(json_array_get(list, i));
    qsort(all, n, sizeof(json_t *), trace_compare);
    for (size_t i = 0; i < n; i++)
        json_array_set_new(list, i, all[i]);
    free(all);
}

struct trace_piece *route_trace(const struct planning *planning, const char *domain)
{
    json_t *j = explain_json(planning, NULL, domain), *mx = json_object_get(j, "mx"), *host;
    size_t i;
    json_array_foreach (mx, i, host)
        sort_members(host, "addresses");
    if (!json_object_get(j, "next_hops"))
        sort_members(j, "mx");
    shorten(j);
    char *text = json_dumps(j, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(j);
    struct span whole = span_text(text);
    struct trace_piece *piece =
        whole.n > 2 ? piece_new(span_slice(whole, 1, whole.n - 1), NULL, NULL) : NULL;
    free(text);
    return piece;
}
