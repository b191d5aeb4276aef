// SPDX-License-Identifier: ISC
// Looks at a folder of keys that turn.
#include "relay/rotate/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/rotate/step.h"
#include "relay/rotate/store.h"

#define VIEW_RECORD_MAX 16384

struct view {
    const char *domain; // of the configuration
    struct rotation r;
    struct sign_key **keys; // beside r.keys
};

// Of those that sign others speak.
static void drop_active(struct rotation *r)
{
    for (size_t i = r->n; i-- > 0;)
        if (r->keys[i].phase == ROTATION_ACTIVE)
            rotation_drop(r, i);
}

static void load_all(struct view *view, const char *folder)
{
    struct why why;
    view->keys = mem_new((view->r.n + 1) * sizeof *view->keys);
    for (size_t i = view->r.n; i-- > 0;) {
        char *path = store_find(folder, &view->r.keys[i]);
        struct sign_key *key = path ? sign_key_load(path, &why) : NULL;
        free(path);
        if (key) {
            view->keys[i] = key;
            continue;
        }
        memmove(&view->keys[i], &view->keys[i + 1], (view->r.n - i - 1) * sizeof *view->keys);
        rotation_drop(&view->r, i);
    }
}

struct view *view_open(const struct cfg_dkim_domain *domain, struct why *why)
{
    char *folder = step_folder(domain);
    bool damaged = false;
    why->text[0] = 0;
    if (!folder)
        return NULL;
    struct view *view = mem_new(sizeof *view);
    view->domain = domain->domain;
    if (store_load(folder, &view->r, &damaged, why) == 0 || damaged) {
        store_match(folder, &view->r, clock_ms());
        drop_active(&view->r);
        load_all(view, folder);
    }
    free(folder);
    if (view->r.n)
        return view;
    view_free(view);
    return NULL;
}

void view_free(struct view *view)
{
    if (!view)
        return;
    for (size_t i = 0; i < view->r.n; i++)
        sign_key_unref(view->keys[i]);
    free(view->keys);
    rotation_free(&view->r);
    free(view);
}

size_t view_count(const struct view *view)
{
    return view ? view->r.n : 0;
}

const struct rotation_key *view_key(const struct view *view, size_t i)
{
    return &view->r.keys[i];
}

static enum view_need need_of(enum rotation_phase phase, enum published published)
{
    if (published == PUBLISHED_UNKNOWN)
        return VIEW_UNKNOWN;
    if (phase == ROTATION_WITHDRAWN)
        return published == PUBLISHED_SAME ? VIEW_REMOVE : VIEW_WELL;
    if (published == PUBLISHED_SAME)
        return VIEW_WELL;
    return phase == ROTATION_RETIRED ? VIEW_MISSED : VIEW_PUBLISH;
}

bool view_judge(const struct view *view, size_t i, struct facts *facts, enum view_need *out,
                char text[static 512])
{
    static const char *const words[] = {
        [VIEW_WELL] = "its record is as it should be",
        [VIEW_PUBLISH] = "its record is to be published, then it will sign",
        [VIEW_MISSED] = "its record is gone too early: mail on its way was signed with it",
        [VIEW_REMOVE] = "its record can be removed",
        [VIEW_UNKNOWN] = "the DNS does not say whether its record is there"};
    const struct rotation_key *key = &view->r.keys[i];
    enum published published;
    char clause[256];
    if (published_check(view->domain, key->selector, view->keys[i], facts, &published, clause))
        return true;
    *out = need_of(key->phase, published);
    snprintf(text, 512, "%s._domainkey.%s: %s key: %s", key->selector, view->domain,
             rotation_phase_word(key->phase), words[*out]);
    return false;
}

void view_record(const struct view *view, size_t i, char name[static 600], struct buf *record)
{
    snprintf(name, 600, "%s._domainkey.%s", view->r.keys[i].selector, view->domain);
    buf_init(record, VIEW_RECORD_MAX);
    if (sign_key_record(view->keys[i], record) < 0)
        buf_reset(record);
}
