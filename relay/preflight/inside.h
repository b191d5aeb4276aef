// SPDX-License-Identifier: ISC
// The inside of relay/preflight/. A look owns nothing: it goes over the header once (fields.c), and then asks of single
// fields. Whatever of the message gets into a sentence goes through preflight_quote.
#ifndef RELAY_PREFLIGHT_INSIDE_H
#define RELAY_PREFLIGHT_INSIDE_H

#include "relay/base/reasons.h"
#include "relay/preflight/preflight.h"

#define PREFLIGHT_QUOTE 64 // bytes of a quotation

// Fields that there may be once, or that are asked for; in the order of the table in fields.c.
enum known_field {
    KNOWN_FROM,
    KNOWN_SENDER,
    KNOWN_REPLY_TO,
    KNOWN_TO,
    KNOWN_CC,
    KNOWN_BCC,
    KNOWN_DATE,
    KNOWN_MESSAGE_ID,
    KNOWN_IN_REPLY_TO,
    KNOWN_REFERENCES,
    KNOWN_SUBJECT,
    KNOWN_MIME_VERSION,
    KNOWN_CONTENT_TYPE,
    KNOWN_ENCODING,
    KNOWN_CONTENT_ID,
    KNOWN_DESCRIPTION,
    KNOWN_DISPOSITION,
    KNOWN_LIST_ID,
    KNOWN_LIST_UNSUBSCRIBE,
    KNOWN_LIST_UNSUBSCRIBE_POST,
    KNOWN_LIST_HELP,
    KNOWN_LIST_SUBSCRIBE,
    KNOWN_LIST_POST,
    KNOWN_LIST_OWNER,
    KNOWN_LIST_ARCHIVE,
    KNOWN_PRECEDENCE,
    KNOWN_FEEDBACK_ID,
    KNOWN_AUTO_SUBMITTED,
    KNOWN_FIELDS
};

struct look {
    const struct preflight_input *in;
    struct preflight *out;
    const struct field *at[KNOWN_FIELDS]; // the topmost of each; NULL: none
    size_t count[KNOWN_FIELDS];
    size_t received, resent, resent_from, resent_date;
    size_t bytes; // of the header
};

// A finding, once: look_find(l, FIELD_TWICE, name, n).
#define look_find(l, id, ...)                                                                      \
    look_add((l)->out, REASON_##id, reason_text_##id __VA_OPT__(, ) __VA_ARGS__)
void look_add(struct preflight *out, enum reason reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// What a sender wrote, trimmed, unfolded and cut: printable ASCII.
const char *preflight_quote(struct span s, char out[static PREFLIGHT_QUOTE]);
bool preflight_public(const char *domain); // host.c: could be a name of the public DNS

void look_at_fields(struct look *l);
void look_at_field_words(struct look *l, const struct field *f, bool addresses); // words.c
void look_at_people(struct look *l); // From, Sender, To …
void look_at_dates(struct look *l);  // Date, Message-ID, References
void look_at_mime(struct look *l);
void look_at_bulk(struct look *l);
void look_at_signing(struct look *l);

#endif
