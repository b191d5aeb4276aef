// SPDX-License-Identifier: ISC
// Who can be asked to go, and who can be the heir; nothing here asks the database.
#include "relay/fleet/evacuation.h"

#include <string.h>

static const struct evacuation_node *evacuation_find(const struct evacuation_node *nodes, size_t n,
                                                     const char *name, struct why *why)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(nodes[i].name, name) == 0)
            return &nodes[i];
    why_set(why, WHY_OURS, "4.3.0", "the fleet has no node %s", name);
    return NULL;
}

// Why it cannot be asked; NULL: it can.
static const char *not_to_go(const struct evacuation_node *a)
{
    if (!a->mail && a->live)
        return "has nothing in the journal: another node has its mail already, or its "
               "configuration has no fleet.spool (waxwing drain there delivers what is on its "
               "disk)";
    if (!a->mail)
        return "does not live, and has nothing in the journal";
    if (!a->lease)
        return "was stopped: waxwing fleet adopt, at the node that is to have its mail, takes it "
               "over";
    if (!a->live)
        return "does not live: another node takes its mail over by itself, or waxwing fleet adopt "
               "does, at the node that is to have it";
    return NULL;
}

static const char *not_an_heir(const struct evacuation_node *h)
{
    if (!h->live)
        return "does not live";
    if (!h->lease)
        return "has no lease: it was stopped, or its configuration has no fleet.spool";
    return h->leaving ? "is evacuated itself" : NULL;
}

static const struct evacuation_node *evacuation_heir(const struct evacuation_node *nodes, size_t n,
                                                     const char *self,
                                                     const struct evacuation_node *a,
                                                     const char *to, struct why *why)
{
    bool own = !to && strcmp(a->name, self) == 0;
    for (size_t i = 0; own && i < n; i++)
        if (&nodes[i] != a && !not_an_heir(&nodes[i]))
            return &nodes[i];
    if (own) {
        why_set(why, WHY_OURS, "4.3.0", "no other node lives that could take over the mail of %s",
                a->name);
        return NULL;
    }
    const struct evacuation_node *h = evacuation_find(nodes, n, to ? to : self, why);
    const char *lack = h ? not_an_heir(h) : NULL;
    if (h == a)
        lack = "cannot take over its own mail";
    if (!lack)
        return h;
    why_set(why, WHY_OURS, "4.3.0", "%s %s%s", h->name, lack,
            to ? "" : "; another node can be named with --to");
    return NULL;
}

// It was asked before, for another heir than is wanted now.
static bool is_for_another(const struct evacuation_node *a, const char *to, struct why *why)
{
    if (!to || strcmp(to, a->heir) == 0)
        return false;
    why_set(why, WHY_OURS, "4.3.0", "%s %s %s already", a->name,
            a->gone ? "was evacuated to" : "is on its way to", a->heir);
    return true;
}

enum evacuation_choice evacuation_choose(const struct evacuation_node *nodes, size_t n,
                                         const char *self, const char *name, const char *to,
                                         size_t *node, size_t *heir, struct why *why)
{
    const struct evacuation_node *a = evacuation_find(nodes, n, name, why), *h;
    if (!a)
        return EVACUATION_REFUSED;
    *node = (size_t)(a - nodes);
    if (a->leaving || a->gone)
        return is_for_another(a, to, why) ? EVACUATION_REFUSED : EVACUATION_FOLLOW;
    const char *lack = not_to_go(a);
    if (lack) {
        why_set(why, WHY_OURS, "4.3.0", "%s %s", a->name, lack);
        return EVACUATION_REFUSED;
    }
    h = evacuation_heir(nodes, n, self, a, to, why);
    if (!h)
        return EVACUATION_REFUSED;
    *heir = (size_t)(h - nodes);
    return EVACUATION_ASK;
}
