// SPDX-License-Identifier: ISC
// A row for each kind of reply. The rules whose kind alone would name the wrong one stand beside it.
#include "relay/smtp/reply_remedy.h"

#include <string.h>
#include "relay/base/reasons.h"

// `advice` is for whoever runs the relay, `told` for the sender; NULL, and with it the rest: the row of the reason says
// it best.
static const struct {
    enum act act;
    const char *means, *advice;
    struct told told;
} remedies[REPLY_CLASSES] = {
    [REPLY_ADDRESS_UNKNOWN] =
        {ACT_SENDER,
         "The host says that there is no such mailbox.",
         "Check the address for typing mistakes. If it is right, the mailbox does not exist any "
         "more: take the address out of the list of recipients.",
         {"by writing to the right address", ACT_NONE, "",
          "Check the address for typing mistakes. If it is spelled right, ask the recipient in "
          "another way (by phone, for example) for the address that is valid now. Then send the "
          "message again, to that address."}},
    [REPLY_ADDRESS_CLOSED] = {ACT_SENDER,
                              "The host says that this mailbox takes no mail.",
                              "Take the address out of the list of recipients, and reach the "
                              "recipient in another way.",
                              {"by writing to another address", ACT_NONE, "",
                               "Ask the recipient in another way (by phone, for example) for "
                               "another address. Then send the message again, to that address."}},
    [REPLY_MAILBOX_FULL] =
        {ACT_RECEIVER,
         "The host says that the mailbox is full.",
         "Nothing: only the recipient, or whoever runs the mailboxes of DOMAIN, "
         "can make room.",
         {"or the recipient, by making room in the mailbox", ACT_NONE, "",
          "Tell the recipient in another way (by phone, for example) that the mailbox is full."}},
    [REPLY_MAILBOX_BUSY] = {ACT_HEALS,
                            "The mailbox gets more mail at once than its host lets it have.",
                            "Nothing: the relay tries again.",
                            {"", ACT_NONE, "", ""}},
    [REPLY_POLICY] =
        {ACT_SENDER,
         "A rule of the receiver forbids this message.",
         "The reply may say which rule it is. If it does not, ask the postmaster of "
         "DOMAIN and quote the reply.",
         {"by keeping to that rule", ACT_RECEIVER, "by changing it",
          "Read the reply above: it may say which rule that is. If it does not, write to "
          "postmaster@DOMAIN and quote the reply, or reach the recipient in another way (by phone, "
          "for example). Once the cause is gone, send the message again."}},
    [REPLY_REPUTATION] =
        {ACT_US,
         "The host takes no mail from this relay, because the relay's address or domain is on a "
         "block list or has a bad reputation there.",
         "Find the cause first: a login that sends what it should not (waxwing logins, waxwing "
         "queue list), or a list that names the whole network. Then ask to be taken off the list: "
         "the reply says where. waxwing audit SENDER-DOMAIN shows what else receivers object to. "
         "Until then the same happens at each host that asks this list.",
         {"by having this relay taken off the list", ACT_NONE, "", ""}},
    [REPLY_CONTENT] = {ACT_SENDER,
                       "The filter of the receiver took this message for spam, or for something "
                       "else that it does not let in.",
                       "Change the text, the links or the attachments of the message; or ask the "
                       "postmaster of DOMAIN and quote the reply.",
                       {"by changing the message", ACT_RECEIVER,
                        "by having the filter let it through",
                        "Change what may look like spam or a virus (links, attachments, the text), "
                        "and send the message again. If you do not find it, write to "
                        "postmaster@DOMAIN and quote the reply above; if that letter comes back as "
                        "well, reach the recipient in another way (by phone, for example)."}},
    [REPLY_AUTH] =
        {ACT_US,
         "The receiver could not verify that the message comes from the domain of its sender.",
         "waxwing audit SENDER-DOMAIN shows SPF, DKIM and DMARC of SENDER-DOMAIN as receivers see "
         "them, and the records to publish there. If SENDER-DOMAIN belongs to somebody else, its "
         "owner does not allow mail in its name from this relay: then the sender has to use "
         "another From.",
         {"together with whoever runs the DNS of SENDER-DOMAIN", ACT_SENDER,
          "by another From address, if SENDER-DOMAIN is not yours to send from", ""}},
    [REPLY_LOGIN] = {ACT_US,
                     "The host takes mail only from those who log in.",
                     "Give next hop HOST a login (auth in delivery.destinations, or in the row of "
                     "senders that names it as next_hop), or send to the MX hosts of DOMAIN "
                     "instead.",
                     {"by giving this relay a login there", ACT_NONE, "", ""}},
    [REPLY_RELAY] = {ACT_RECEIVER,
                     "The host takes no mail for this domain, although the MX records of the "
                     "domain (or a configured next hop) lead to it.",
                     "Either the postmaster of HOST lets it take mail for DOMAIN, or the MX record "
                     "has to name another host. If HOST is a next hop of this relay's "
                     "configuration, look there (next_hop for DOMAIN in delivery.destinations).",
                     {"by letting HOST take it or naming another host", ACT_US,
                      "if they send mail for DOMAIN to the wrong host", ""}},
    [REPLY_TLS] = {ACT_RECEIVER_HOST,
                   "The host asks for another encryption (TLS) than it got.",
                   "The postmaster of HOST can say what it asks for; waxwing explain DOMAIN "
                   "--connect shows what TLS it offers.",
                   {"", ACT_NONE, "", ""}},
    [REPLY_DNS] = {ACT_RECEIVER_DNS, NULL, NULL, {NULL, ACT_NONE, NULL, NULL}},
    [REPLY_RATE] = {ACT_HEALS,
                    "The host takes no more mail from this relay for a while.",
                    "Nothing: the relay tries again, and sends more slowly there (waxwing sites).",
                    {"", ACT_NONE, "", ""}},
    [REPLY_GREYLIST] =
        {ACT_HEALS,
         "The host puts off mail of senders that it does not know yet (greylisting), "
         "and takes it when it comes again later.",
         "Nothing: the relay does come again later.",
         {"", ACT_NONE, "", ""}},
    [REPLY_SIZE] = {ACT_SENDER,
                    "The message is larger than the host takes.",
                    "Make the message smaller, for example with a link instead of an attachment.",
                    {"by making the message smaller", ACT_NONE, "",
                     "Use a link instead of an attachment, or smaller attachments, and send the "
                     "message again."}},
    [REPLY_LOOP] = {ACT_RECEIVER,
                    "Mail runs in a circle behind the host.",
                    "The postmaster of DOMAIN has to correct the forwarding there.",
                    {"by correcting the forwarding", ACT_NONE, "", ""}},
    [REPLY_PROTOCOL] = {ACT_RECEIVER_HOST, NULL, NULL, {NULL, ACT_NONE, NULL, NULL}},
    [REPLY_SYSTEM] = {ACT_RECEIVER_HOST, NULL, NULL, {NULL, ACT_NONE, NULL, NULL}},
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

// The kind of the reply says it better than the row of the reason.
static bool is_of_class(enum reason reason, enum reply_class class)
{
    return class < REPLY_CLASSES && remedies[class].advice && !is_of_row(reason, class);
}

const char *reply_advice(enum reason reason, enum reply_class class)
{
    return is_of_class(reason, class) ? remedies[class].advice : reason_row(reason)->advice;
}

const char *reply_means(enum reason reason, enum reply_class class)
{
    return is_of_class(reason, class) ? remedies[class].means : reason_row(reason)->means;
}

const struct told *reply_told(enum reason reason, enum reply_class class)
{
    return is_of_class(reason, class) ? &remedies[class].told : told_of(reason);
}
