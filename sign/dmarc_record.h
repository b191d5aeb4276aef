// SPDX-License-Identifier: ISC
// DMARC policy records, RFC 9989 sections 4.7 and 4.8. Pure: bytes in, values out.
#ifndef SIGN_DMARC_RECORD_H
#define SIGN_DMARC_RECORD_H

#include <stdbool.h>
#include "relay/base/span.h"

enum dmarc_policy { DMARC_UNSET, DMARC_NONE, DMARC_QUARANTINE, DMARC_REJECT };

struct dmarc_record {
    enum dmarc_policy p, sp, np; // sp and np DMARC_UNSET: not there; p never is
    bool usable; // false: a policy that cannot be read, and no rua to make it p=none
    bool mute;   // neither p nor rua: it asks for nothing, and no receiver processes it
    bool strict_dkim, strict_spf;
    bool testing; // t=y
    bool reports; // rua names at least one URI
    char psd;     // 'y', 'n' or 'u'
};

// False: not a DMARC record at all, to be passed over. What is wrong behind the version counts as absent.
bool dmarc_record_parse(struct span txt, struct dmarc_record *out);
const char *dmarc_policy_word(enum dmarc_policy policy); // "" for DMARC_UNSET

#endif
