// SPDX-License-Identifier: ISC
// The catalogue of reasons: what can be refused or fail, by name. Its rows stand in reasons.def (and findings.def);
// whoever knows a cause fills a `struct why` with why_say (relay/base/why.h), and everybody who tells it reads the row.
#ifndef RELAY_BASE_REASONS_H
#define RELAY_BASE_REASONS_H

#include <stddef.h>
#include "relay/base/why.h"

struct reason_row {
    const char *name; // "tlsa-mismatch": the log's why=, never changed
    enum why_scope scope;
    const char *status; // where no reply gives another one
    enum why_tls tls;
    enum act act;
    const char *holes;    // a word for each % of the sentence, in order, with | between
    const char *sentence; // a format of printf
    const char *means;    // one or two sentences
    const char *advice;   // what to do: a command or a key where there is one
};

// REASON_NONE: an empty row; never NULL.
const struct reason_row *reason_row(enum reason reason);
// The reason of this name, or REASON_NONE.
enum reason reason_named(const char *name);
size_t reason_count(void); // reasons go from 1 to this - 1
// The sentence with its holes as words: "the certificate is for NAMES, not for WANTED"; at most n bytes.
void reason_sentence(const struct reason_row *row, char *out, size_t n);

const char *act_word(enum act act);   // "receiver-host"; "" for ACT_NONE
enum act act_named(const char *word); // ACT_NONE where there is none of this name
const char *act_text(enum act act);   // "the postmaster of the receiving host"
const char *
act_phrase(enum act act);       // behind a sentence: "for the postmaster of the receiving host"
bool act_is_ours(enum act act); // whoever runs this relay, or its network
const char *scope_word(enum why_scope scope);

#endif
