// SPDX-License-Identifier: ISC
// Keys of a domain that turn and do not sign, as somebody sees them who changes nothing: which records are to be
// published, which can go.
#ifndef RELAY_ROTATE_VIEW_H
#define RELAY_ROTATE_VIEW_H

#include "config/config.h"
#include "dns/facts.h"
#include "relay/base/why.h"
#include "relay/rotate/rotation.h"

enum view_need {
    VIEW_WELL,    // the record is as it should be
    VIEW_PUBLISH, // it is to be published
    VIEW_MISSED,  // it is gone too early: mail on its way needs it
    VIEW_REMOVE,  // it can be removed
    VIEW_UNKNOWN  // the DNS did not say
};

struct view;

// NULL: no key of the domain turns, or what is noted of it cannot be read (why is set then, "" else).
struct view *view_open(const struct cfg_dkim_domain *domain, struct why *why);
void view_free(struct view *view); // accepts NULL
// Next, published, retired and withdrawn keys.
size_t view_count(const struct view *view);
const struct rotation_key *view_key(const struct view *view, size_t i);
// True while it wants more facts. `text` is a sentence that names the key.
bool view_judge(const struct view *view, size_t i, struct facts *facts, enum view_need *out,
                char text[static 512]);
// The name of the record and, to *record, the record itself (initialized here).
void view_record(const struct view *view, size_t i, char name[static 600], struct buf *record);

#endif
