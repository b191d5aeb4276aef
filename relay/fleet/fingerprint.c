// SPDX-License-Identifier: ISC
// Digests of keys. No secret is among them: the configuration names files.
#include "relay/fleet/fingerprint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "config/load.h"
#include "relay/base/buf.h"
#include "relay/base/mem.h"

#define FINGERPRINT_DIGEST 17 // bytes of a digest as text
#define FINGERPRINT_NAME   64 // bytes of a key's name at most

struct printing {
    const char *hostname;
    json_t *out;
};

static bool is_own(const char *name)
{
    static const char *const own[] = {"hostname", "listen", "fleet",      "spool", "state",
                                      "control",  "http",   "http_names", "log",   "workers",
                                      "user",     "policy", "certificate"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(own[i], name) == 0)
            return true;
    return false;
}

// Defaults that are made of the hostname are the same ones on each node.
static void without_name(struct span text, const char *hostname, struct buf *out)
{
    size_t n = strlen(hostname);
    while (text.n) {
        bool here = n && text.n >= n && memcmp(text.p, hostname, n) == 0;
        if (here)
            buf_adds(out, "\1");
        else
            buf_add(out, text.p, 1);
        text = span_from(text, here ? n : 1);
    }
}

static void fingerprint_add_key(const char *name, struct span printed, void *arg)
{
    struct printing *p = arg;
    char digest[FINGERPRINT_DIGEST];
    struct buf text;
    if (is_own(name) || !printed.n)
        return;
    buf_init(&text, CONFIG_PRINT_SIZE);
    without_name(printed, p->hostname, &text);
    snprintf(digest, sizeof digest, "%016" PRIx64, XXH3_64bits(text.data, text.len));
    json_object_set_new(p->out, name, json_string(digest));
    buf_free(&text);
}

char *fingerprint_of(const struct config *config)
{
    struct printing p = {config->hostname, json_object()};
    config_each(config, fingerprint_add_key, &p);
    char *text = json_dumps(p.out, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(p.out);
    return text;
}

json_t *fingerprint_read(const char *text)
{
    json_t *j =
        strlen(text) <= FINGERPRINT_MAX ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    bool good = json_is_object(j) && json_object_size(j) <= FINGERPRINT_KEYS;
    const char *name;
    json_t *value;
    json_object_foreach (j, name, value)
        good = good && json_is_string(value) && strlen(name) < FINGERPRINT_NAME &&
               json_string_length(value) < FINGERPRINT_DIGEST;
    if (good)
        return j;
    json_decref(j);
    return NULL;
}

json_t *fingerprint_differences(const json_t *a, const json_t *b)
{
    json_t *out = json_array(), *value;
    const char *name;
    json_object_foreach ((json_t *)(uintptr_t)a, name, value)
        if (!json_equal(value, json_object_get(b, name)))
            json_array_append_new(out, json_string(name));
    json_object_foreach ((json_t *)(uintptr_t)b, name, value)
        if (!json_object_get(a, name))
            json_array_append_new(out, json_string(name));
    return out;
}
