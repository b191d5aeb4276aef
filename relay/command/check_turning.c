// SPDX-License-Identifier: ISC
// The part of `waxwing check` about keys that turn: can they, and what is to be published or removed?
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/command/check.h"
#include "relay/rotate/step.h"
#include "relay/rotate/view.h"

struct turning_check {
    const struct view *view;
    size_t at;
    struct facts *facts;
    enum view_need need;
    char text[512];
};

static bool check_turning_look(void *arg)
{
    struct turning_check *t = arg;
    return view_judge(t->view, t->at, t->facts, &t->need, t->text);
}

static void check_turning_key(struct report *r, const struct view *view, size_t i, struct dns *dns)
{
    struct turning_check t = {.view = view, .at = i, .facts = facts_new()};
    char name[600];
    struct buf record;
    dns_evaluate_blocking(dns, t.facts, check_turning_look, &t);
    facts_free(t.facts);
    view_record(view, i, name, &record);
    bool publish = t.need == VIEW_PUBLISH || t.need == VIEW_MISSED;
    check_say(r,
              t.need == VIEW_WELL     ? "ok"
              : t.need == VIEW_MISSED ? "ERROR"
                                      : "warning",
              "key %s%s%s%s%s", t.text, publish ? "; publish " : "", publish ? name : "",
              publish ? " IN TXT " : "", publish ? buf_text(&record) : "");
    buf_free(&record);
}

void check_turning(struct report *r, const struct config *config, struct dns *dns)
{
    for (size_t d = 0; d < config->ndkim; d++) {
        struct why why;
        struct view *view = view_open(&config->dkim[d], &why);
        if (why.text[0])
            check_say(r, "ERROR", "%s", why.text);
        for (size_t i = 0; i < view_count(view); i++)
            check_turning_key(r, view, i, dns);
        view_free(view);
    }
    if (config->signing.rotate_every && !config->signing.directory[0])
        check_say(r, "warning",
                  "dkim.rotate: only keys of dkim.directory turn, and there is no directory");
    if (config->signing.rotate_every && !config->control[0])
        check_say(r, "ERROR",
                  "dkim.rotate: keys that turn need the control socket (control:), over which the "
                  "relay is told");
}
