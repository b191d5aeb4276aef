// SPDX-License-Identifier: ISC
#include "config/suggest.h"

#include <stdio.h>
#include <string.h>
#include "config/schema.h"
#include "relay/base/span.h"

#define NAME_MAX_LEN 32 // longer than any key

static size_t least(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

// Edits (insert, delete, replace, swap neighbours) that make b of a; letters without regard to case
// and '-' as '_'.
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][NAME_MAX_LEN + 1], n = strlen(a), m = strlen(b);
    if (n > NAME_MAX_LEN || m > NAME_MAX_LEN)
        return NAME_MAX_LEN;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *two = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            int x = a[i - 1] == '-' ? '_' : ascii_lower((unsigned char)a[i - 1]);
            now[j] = least(before[j] + 1, now[j - 1] + 1, before[j - 1] + (x != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                two[j - 2] + 1 < now[j])
                now[j] = two[j - 2] + 1;
        }
    }
    return rows[n % 3][m];
}

size_t suggest_begin(const char *name)
{
    size_t limit = strlen(name) / 3 + 1;
    return limit > 3 ? 4 : limit + 1;
}

bool suggest_nearer(const char *name, const char *candidate, size_t *nearest)
{
    size_t d = distance(name, candidate);
    if (d >= *nearest)
        return false;
    *nearest = d;
    return true;
}

const char *schema_suggest(const struct schema_group *group, const char *name)
{
    const char *best = NULL;
    size_t nearest = suggest_begin(name);
    for (const struct schema_key *key = group->keys; key->name; key++)
        if (suggest_nearer(name, key->name, &nearest))
            best = key->name;
    return best;
}

static bool find_below(const struct schema_group *group, const char *name, char *path, size_t size)
{
    const struct schema_key *key = schema_find(group, name, strlen(name));
    if (key) {
        snprintf(path, size, "%s", name);
        return true;
    }
    for (key = group->keys; key->name; key++) {
        char rest[128];
        if (key->group && find_below(key->group, name, rest, sizeof rest)) {
            snprintf(path, size, "%s.%s", key->name, rest);
            return true;
        }
    }
    return false;
}

bool schema_elsewhere(const char *name, char *path, size_t size)
{
    return find_below(&schema_top, name, path, size);
}
