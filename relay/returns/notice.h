// SPDX-License-Identifier: ISC
// A delivery status notification of another host, read (RFC 3464, 6522, 6533): what became of one recipient. Pure and
// bounded; every byte is a stranger's, and what it claims is about the recipient that the caller knows already.
//
// What cannot be read by a program is no notification here: notices in prose, answers of people and their machines,
// reports that are encoded or cut off before they say something.
#ifndef RELAY_RETURNS_NOTICE_H
#define RELAY_RETURNS_NOTICE_H

#include "relay/base/why.h"
#include "sign/header.h"

#define NOTICE_BYTES  131072 // of a body that are looked at
#define NOTICE_DEPTH  4      // multiparts inside each other
#define NOTICE_PARTS  64     // in all
#define NOTICE_GROUPS 1000   // recipients of one report
#define NOTICE_FROM   321    // bytes of an address

enum notice_action { NOTICE_FAILED, NOTICE_DELAYED, NOTICE_DELIVERED };

struct notice {
    enum notice_action action; // relayed and expanded count as delivered
    char status[12];           // "5.1.1"; its class goes with the action
    char host[256];            // Remote-MTA, or who reports; "" unknown
    char reply[512];           // Diagnostic-Code, on one line; "" without
    char from[NOTICE_FROM];    // the author of the message that came back, as it says; "" unknown
};

// `header` and `body` of the message. False: it is no notification, or says nothing about the recipient: several groups
// that disagree, and none of them names it.
bool notice_read(const struct header *header, struct span body, const char *recipient,
                 struct notice *out);
// The same as a reason, for a failure or a delay.
void notice_why(const struct notice *notice, struct why *why);
const char *notice_action_word(enum notice_action action); // "failed", "delayed", "delivered"

#endif
