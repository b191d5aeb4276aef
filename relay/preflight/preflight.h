// SPDX-License-Identifier: ISC
// Pre-flight: what receivers ask of a message, looked at before it goes out. The relay looks at own mail while it still
// has the application on the line (`preflight: note` or `refuse`), `waxwing preflight` at a file.
//
// A pure function over a parsed header, the body in memory and facts: no I/O, no clock, no copy. What it finds are
// reasons of the catalogue (relay/base/findings.def), each once at most. Links, attachments and words are not judged.
#ifndef RELAY_PREFLIGHT_PREFLIGHT_H
#define RELAY_PREFLIGHT_PREFLIGHT_H

#include "config/signing.h"
#include "relay/base/why.h"
#include "sign/header.h"

// Recipients of one message from which on it is bulk mail, whatever its header says.
#define PREFLIGHT_BULK_RCPTS 50
#define PREFLIGHT_NAMES                                                                            \
    320 // bytes of preflight_names: fits into a reply line of 512 (RFC 5321 4.5.3.1.5)

// What the DNS says of the From domain. UNKNOWN: it was not asked, or did not answer.
enum preflight_dmarc {
    PREFLIGHT_DMARC_UNKNOWN,
    PREFLIGHT_DMARC_NONE,
    PREFLIGHT_DMARC_FAIL,
    PREFLIGHT_DMARC_PASS
};

struct preflight_input {
    const struct header *header;       // as it goes on, below our own fields
    struct span body;                  // what of it is in memory, from its first byte on
    bool body_whole;                   // that is all of it
    bool header_ended;                 // an empty line came
    bool eightbit;                     // the body has bytes over 127
    uint64_t longest_line;             // octets; 0: not known
    bool date_added, message_id_added; // the relay wrote them
    int64_t now_s;
    // Of the envelope.
    bool smtputf8, binary; // MAIL said so
    const char *sender;    // "" the null sender; NULL: not known
    size_t nrcpts;         // 0: not known
    uint64_t size;
    const char *tight; // a recipient's domain that takes less than `size`; NULL: none is known
    uint64_t tight_size;
    // Of our signatures.
    bool others_sign;   // mail leaves through a smarthost, which may sign: nothing is said of ours
    const char *signer; // d=; NULL: no key signs for From
    const struct cfg_signing *signing; // the fields that they cover
    enum preflight_dmarc dmarc;
};

enum preflight_level { PREFLIGHT_ADVICE, PREFLIGHT_PROBLEM };

struct preflight_finding {
    enum reason reason;
    char *text; // the sentence with its evidence, printable ASCII
};
struct preflight {
    struct preflight_finding *at;
    size_t n;
    const char *
        bulk; // what makes it bulk mail: "List-Id", "Precedence", "recipients" …; NULL: nothing does
};

void preflight_look(const struct preflight_input *in, struct preflight *out);
// Adds a finding that another one than preflight_look made; it counts once.
void preflight_add(struct preflight *p, const struct why *why);
void preflight_free(struct preflight *p); // leaves it empty

enum preflight_level preflight_level(enum reason reason);
const char *preflight_level_word(enum preflight_level level); // "advice", "problem"
// The replies that it prevents: "Gmail 550 5.7.1; …"; "" where none is known.
const char *preflight_prevents(enum reason reason);
// The first finding that is a problem; NULL: none is.
const struct preflight_finding *preflight_problem(const struct preflight *p);
// The names of the findings, problems first: "field-8bit, subject-missing and 3 more". Words of ours alone.
void preflight_names(const struct preflight *p, char out[static PREFLIGHT_NAMES]);
// A message with a problem is refused; returns -1.
int preflight_refuse(const struct preflight *p, struct why *why);

#endif
