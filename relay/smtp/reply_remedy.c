// SPDX-License-Identifier: ISC
// A row for each kind of reply. The rules whose kind alone would name the wrong one stand beside it.
#include "relay/smtp/reply_remedy.h"

#include <string.h>
#include "relay/base/reasons.h"

// `advice` NULL: the row of the reason says it best.
static const struct {
    enum act act;
    const char *advice;
} remedies[REPLY_CLASSES] = {
    [REPLY_ADDRESS_UNKNOWN] = {ACT_SENDER,
                               "Check the address for typing mistakes, or take it out of the list: "
                               "its host says that there is no such mailbox."},
    [REPLY_ADDRESS_CLOSED] = {ACT_SENDER, "Reach the recipient in another way, or take the address "
                                          "out of the list: its mailbox takes no mail."},
    [REPLY_MAILBOX_FULL] = {ACT_RECEIVER,
                            "The mailbox is full: only the recipient or his postmaster can make "
                            "room. Reach him in another way, and send the message again later."},
    [REPLY_MAILBOX_BUSY] = {ACT_HEALS, "Nothing: the mailbox gets more mail at once than its host "
                                       "lets it, and the relay tries again."},
    [REPLY_POLICY] = {ACT_SENDER, "A rule of the receiver stops it. The reply may say which; the "
                                  "receiving postmaster can, when he is shown the reply."},
    [REPLY_REPUTATION] =
        {ACT_US, "This relay's address or domain is on a block list or in bad repute, and all mail "
                 "from it is concerned wherever that counts. Look for the cause first: who sends "
                 "what does not belong there (waxwing logins, waxwing queue list). Then look where "
                 "the reply points, and ask there for it to be taken off; waxwing audit "
                 "SENDER-DOMAIN shows what else receivers mind."},
    [REPLY_CONTENT] = {ACT_SENDER,
                       "The receiver's filter minds something in this message: change that, or ask "
                       "its postmaster and show him the reply. Other mail is not affected."},
    [REPLY_AUTH] = {ACT_US,
                    "The receiver cannot verify that the message comes from the sender's domain. "
                    "waxwing audit SENDER-DOMAIN shows SPF, DKIM and DMARC of that domain as "
                    "receivers see them, with the records to publish. If the domain is none of "
                    "this relay's, its owner's policy forbids to send in its name from here."},
    [REPLY_LOGIN] = {ACT_US, "The host takes mail only from those who log in: give its next hop a "
                             "login (auth in delivery.destinations, or in the row of senders that "
                             "names the hop), or send to the domain's MX hosts instead."},
    [REPLY_RELAY] = {ACT_RECEIVER, "The host does not take mail for this domain, although the "
                                   "domain's MX records (or a configured next hop) lead to it: one "
                                   "of the two has to change."},
    [REPLY_TLS] = {ACT_RECEIVER_HOST, "waxwing explain DOMAIN --connect shows what TLS the host "
                                      "offers; its postmaster can say what it misses."},
    [REPLY_DNS] = {ACT_RECEIVER_DNS, NULL},
    [REPLY_RATE] = {ACT_HEALS, "Nothing: the relay tries again, and sends more slowly there "
                               "(waxwing sites)."},
    [REPLY_GREYLIST] = {ACT_HEALS,
                        "Nothing: the host puts off mail that it does not know yet (greylisting) "
                        "and takes it when it comes again later, and the relay does that."},
    [REPLY_SIZE] = {ACT_SENDER, "Send a link instead of an attachment."},
    [REPLY_LOOP] = {ACT_RECEIVER, "Mail runs in a circle behind the host: its postmaster can mend "
                                  "the forwarding."},
    [REPLY_PROTOCOL] = {ACT_RECEIVER_HOST, NULL},
    [REPLY_SYSTEM] = {ACT_RECEIVER_HOST, NULL},
};

// The sender's domain is what is not in the DNS, or takes no mail.
static bool about_sender(const struct reply_meaning *meaning)
{
    static const char *const rules[] = {"sender-domain", "enhanced-x.1.8", "enhanced-x.7.27"};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(meaning->rule, rules[i]) == 0)
            return true;
    return false;
}

// Before MAIL, and with 421, it is the connection that is refused: no sender is to blame, whatever the status says.
static bool about_connection(enum reason reason)
{
    return (reason >= REASON_GREETING_REFUSED && reason <= REASON_AUTH_DEFERRED) ||
           reason == REASON_HOST_LEAVES;
}

// The rows of replies stand together in the catalogue.
static bool is_of_reply(enum reason reason)
{
    return reason >= REASON_GREETING_REFUSED && reason <= REASON_HOST_LEAVES;
}

// The row of the reason says it better than the kind of its reply.
static bool is_of_row(enum reason reason, enum reply_class class)
{
    bool later = reason_row(reason)->status[0] == '4';
    return !is_of_reply(reason) ||
           (about_connection(reason) && remedies[class].act == ACT_SENDER) ||
           (class == REPLY_LOGIN &&
            (reason == REASON_AUTH_REFUSED || reason == REASON_AUTH_DEFERRED)) ||
           (later && class == REPLY_ADDRESS_CLOSED); // closed for a while is not gone
}

enum act reply_act(enum reason reason, const struct reply_meaning *meaning)
{
    if (is_of_row(reason, meaning->class))
        return ACT_NONE;
    return about_sender(meaning) && !about_connection(reason) ? ACT_SENDER
                                                              : remedies[meaning->class].act;
}

const char *reply_advice(enum reason reason, enum reply_class class)
{
    const char *advice = class < REPLY_CLASSES ? remedies[class].advice : NULL;
    return advice && !is_of_row(reason, class) ? advice : reason_row(reason)->advice;
}
