// SPDX-License-Identifier: ISC
// Where a TLS report may be sent: one address of a domain's record (rua=, RFC 8460 section 3), taken apart and
// checked. A stranger wrote it. Pure.
#ifndef RELAY_REPORT_TARGET_H
#define RELAY_REPORT_TARGET_H

#include <stdint.h>
#include "relay/base/span.h"
#include "relay/base/why.h"

enum report_way { REPORT_MAIL, REPORT_HTTPS };

struct report_target {
    enum report_way way;
    // One spelling for one address: what differs only in case of host or scheme, in percent-encoding or a
    // default port is the same. Reads as itself again.
    char *text;
    char *address; // mail: without percent-encoding
    char *host;    // https: the host; mail: the domain; both lower-case A-labels
    uint16_t port; // https
    char *path;    // https: with its query, at least "/"
};

#define TARGET_MAX 2048 // bytes of an address

// -1: why says what is wrong: another scheme, no address, several, a local part beyond ASCII, credentials, an
// IP address, a character that a URL or a mail address must not have. Header fields of a mailto: are left out.
int report_target_parse(struct span rua, struct report_target *out, struct why *why);
void report_target_free(struct report_target *target); // leaves it empty

#endif
