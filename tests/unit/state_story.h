// SPDX-License-Identifier: ISC
// A folder with a state database, at a fixed time. Included by one source each, behind cmocka.
#ifndef TESTS_UNIT_STATE_STORY_H
#define TESTS_UNIT_STATE_STORY_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include "relay/base/clock.h"
#include "relay/state/state.h"

#define KEEP (30 * (uint64_t)LEDGER_DAY_MS)

static char folder[64], path[96];
static struct why why;

static int story_remove(const char *name, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(name);
}

static int folder_begin(int64_t now_ms)
{
    snprintf(folder, sizeof folder, "/tmp/waxwing-state-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/state.db", folder);
    clock_fix(now_ms);
    return 0;
}

static int folder_end(void)
{
    clock_release();
    return nftw(folder, story_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static struct state *open_state(void)
{
    struct state *s = state_open(&(struct state_options){.path = path, .keep_ms = KEEP}, &why);
    if (!s)
        fail_msg("%s", why.text);
    return s;
}

#endif
