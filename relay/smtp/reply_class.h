// SPDX-License-Identifier: ISC
// What a refusal is about, in the one vocabulary that log, notifications, events, pages and shaping share, and which
// rule said so. Pure and bounded: the replies are a peer's words. The rules, each with its source, are the one
// table in reply_patterns.c.
//
// The words of a reply are believed before its enhanced code, since many hosts send 5.7.1 for everything; where no
// words are known the meaning of the enhanced code decides (RFC 3463, 7372, 7505, 8689), and last the reply code.
// An address inside the text is never looked at: whoever chose it does not choose the class.
#ifndef RELAY_SMTP_REPLY_CLASS_H
#define RELAY_SMTP_REPLY_CLASS_H

#include <stdbool.h>
#include "relay/base/span.h"
#include "relay/base/why.h"

enum reply_class {
    REPLY_OTHER,           // nothing is known about it
    REPLY_ADDRESS_UNKNOWN, // there is no such mailbox: what a suppression list is made of
    REPLY_ADDRESS_CLOSED,  // the mailbox exists, and takes no mail: disabled, moved
    REPLY_MAILBOX_FULL,
    REPLY_MAILBOX_BUSY, // this one mailbox gets mail too fast: no sign about the site
    REPLY_POLICY,       // a rule of the receiver: blocked sender, restricted group
    REPLY_REPUTATION,   // the address or domain that we send from is listed, or in bad repute
    REPLY_CONTENT,      // spam, virus, a forbidden attachment, a malformed message
    REPLY_AUTH,         // SPF, DKIM, DMARC, reverse DNS of the sender
    REPLY_LOGIN,        // the next hop wants a login, or refused ours
    REPLY_RELAY,        // the host does not take mail for that domain
    REPLY_TLS,
    REPLY_DNS,     // names that do not exist or cannot be looked up
    REPLY_NETWORK, // no connection, or a lost one
    REPLY_RATE,    // too fast, too many connections, too much mail
    REPLY_GREYLIST,
    REPLY_SIZE,
    REPLY_LOOP,
    REPLY_PROTOCOL, // a command or an extension that the host does not take
    REPLY_SYSTEM,   // the host's own trouble: disk, configuration, busy
    REPLY_OURS,     // this relay's own
    REPLY_CLASSES
};

struct reply_meaning {
    enum reply_class class;
    const char *rule; // which rule said so: "gmail-rate", "enhanced-x.1.1", "code-4xx"; static
    bool throttle;    // the host asks for less mail, or mail from elsewhere: a sign for shaping
};

// Of a reply: code 400..599 (another: REPLY_OTHER), enhanced status "" or NULL without one, text with one line or
// many, with or without their codes.
struct reply_meaning reply_meaning(int code, const char *status, struct span text);
// Of a reason: by its reply where it has one, else by what this relay found itself. A NULL or empty one, which is a
// success: REPLY_OTHER with the rule "".
struct reply_meaning reply_meaning_of(const struct why *why);

const char *reply_class_word(enum reply_class class); // "address-unknown"; names are never changed
// What such a reply is about, behind "the host refused RCPT TO: "; "" where the class says no more than that.
const char *reply_class_about(enum reply_class class);
// The class of that word, or REPLY_CLASSES.
enum reply_class reply_class_parse(const char *word);

#endif
