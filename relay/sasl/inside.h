// SPDX-License-Identifier: ISC
// The inside of relay/sasl/: a dialogue over libgsasl, and the one door to it. Shared by both sides.
//
// Owns the library's handle, which every thread may use once it is there. A side gives what the library asks for
// (property), or refuses a message before the library sees it (look).
#ifndef RELAY_SASL_INSIDE_H
#define RELAY_SASL_INSIDE_H

#include <gsasl.h>
#include "relay/sasl/sasl.h"

struct sasl_side {
    bool server;
    // The library wants this: gsasl_property_set, or nothing where there is none.
    void (*property)(struct sasl *sasl, Gsasl_property property);
    // NULL: nothing to look at. -1 with why: the dialogue fails.
    int (*look)(struct sasl *sasl, struct span message, struct why *why);
    void (*free)(struct sasl *sasl); // frees the whole object that begins with the dialogue
};

struct sasl {
    const struct sasl_side *side;
    Gsasl_session *session;
    unsigned steps; // made
};

// Begins one in `sasl`, which is zeroed and the first member of the side's own object. -1: the library has no memory.
int sasl_begin(struct sasl *sasl, const struct sasl_side *side, enum sasl_mechanism mechanism,
               struct why *why);
// The binding as the library takes it.
void sasl_set_binding(struct sasl *sasl, const unsigned char binding[static SASL_BINDING]);
void sasl_set_base64(struct sasl *sasl, Gsasl_property property, const void *bytes, size_t n);

#endif
