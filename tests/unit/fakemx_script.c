// SPDX-License-Identifier: ISC
// The script that the MX host for unit tests obeys.
#include "tests/unit/fakemx_inside.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void mx_nests(struct mx *mx)
{
    pthread_mutex_lock(&mx->lock);
    mx->nests = true;
    pthread_mutex_unlock(&mx->lock);
}

void mx_stays(struct mx *mx)
{
    pthread_mutex_lock(&mx->lock);
    mx->stays = true;
    pthread_mutex_unlock(&mx->lock);
}

void mx_slow(struct mx *mx)
{
    pthread_mutex_lock(&mx->lock);
    mx->slow = true;
    pthread_mutex_unlock(&mx->lock);
}

void mx_strike(struct mx *mx, unsigned n, const char *more)
{
    pthread_mutex_lock(&mx->lock);
    mx->replies = 0;
    mx->strike_at = n;
    mx->struck = false;
    mx->strike_missing = !more;
    snprintf(mx->strike, sizeof mx->strike, "%s", more ? more : "");
    pthread_mutex_unlock(&mx->lock);
}

bool mx_struck(struct mx *mx)
{
    pthread_mutex_lock(&mx->lock);
    bool yes = mx->struck;
    pthread_mutex_unlock(&mx->lock);
    return yes;
}

static void add_rule(struct mx *mx, const char *step, const char *reply, bool once)
{
    pthread_mutex_lock(&mx->lock);
    size_t i = 0;
    while (i < mx->nrules && !mx->rules[i].used)
        i++;
    assert(i < RULES);
    if (i == mx->nrules)
        mx->nrules++;
    struct rule *r = &mx->rules[i];
    *r = (struct rule){.once = once};
    snprintf(r->step, sizeof r->step, "%s", step);
    snprintf(r->reply, sizeof r->reply, "%s", reply);
    pthread_mutex_unlock(&mx->lock);
}

void mx_on(struct mx *mx, const char *step, const char *reply)
{
    add_rule(mx, step, reply, false);
}

void mx_next(struct mx *mx, const char *step, const char *reply)
{
    add_rule(mx, step, reply, true);
}

void mx_knows_no_names(struct mx *mx)
{
    pthread_mutex_lock(&mx->lock);
    mx->no_names = true;
    pthread_mutex_unlock(&mx->lock);
}

void mx_hold(struct mx *mx, bool hold)
{
    pthread_mutex_lock(&mx->lock);
    mx->hold = hold;
    pthread_mutex_unlock(&mx->lock);
}

bool mx_holds(struct mx *mx)
{
    pthread_mutex_lock(&mx->lock);
    bool yes = mx->held > 0;
    pthread_mutex_unlock(&mx->lock);
    return yes;
}

void mx_extensions(struct mx *mx, const char *extensions)
{
    pthread_mutex_lock(&mx->lock);
    snprintf(mx->extensions, sizeof mx->extensions, "%s", extensions);
    pthread_mutex_unlock(&mx->lock);
}
