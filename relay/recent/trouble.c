// SPDX-License-Identifier: ISC
// The kind of trouble, from the name, the actor and the class of what was met last.
#include "relay/recent/trouble.h"

#include <string.h>
#include "relay/base/reasons.h"
#include "relay/log/json.h"
#include "relay/smtp/reply_class.h"

static const struct {
    const char *word, *sentence, *extent;
} troubles[TROUBLES] = {
    [TROUBLE_NONE] = {"", "mail would be delivered", ""},
    [TROUBLE_SITE] = {"site", "mail would be tried, but the last attempts FAILED",
                      "All mail for the domain is concerned."},
    [TROUBLE_OURS] = {"ours", "mail would be tried, but THIS RELAY stands in its own way",
                      "All mail for the domain is concerned until that is mended here."},
    [TROUBLE_REPUTE] = {"repute", "mail would be tried, but the host REFUSES mail of this relay",
                        "All mail from this relay to that host is concerned; other hosts may "
                        "refuse it for the same reason."},
    [TROUBLE_SENDER] = {"sender", "mail would be tried, but one sender's domain was REFUSED",
                        "All mail of that domain to that host is concerned; other hosts that "
                        "verify senders may refuse it as well."},
    [TROUBLE_MESSAGE] = {"message", "mail would be delivered, but one message was REFUSED",
                         "That is about this message alone, as far as is known."},
    [TROUBLE_RECIPIENT] = {"recipient", "mail would be delivered, but one recipient was REFUSED",
                           "That is about this recipient alone, as far as is known."},
    [TROUBLE_PUT_OFF] = {"put-off", "mail would be tried, but a recipient was put off",
                         "Whether others are, only their mail will show."},
    [TROUBLE_REQUIRETLS] = {"requiretls", "mail would be delivered, but not with REQUIRETLS",
                            "Only messages that ask for REQUIRETLS are concerned; nothing there is "
                            "broken."},
    [TROUBLE_GREYLIST] = {"greylist", "mail is GREYLISTED: it goes by itself, a little later",
                          "Nothing is broken, and nothing has to be done."},
    [TROUBLE_HEALS] = {"heals", "mail is put off for a while, and goes by itself", ""},
};

const char *trouble_word(enum trouble trouble)
{
    return troubles[trouble].word;
}

const char *trouble_sentence(enum trouble trouble)
{
    return troubles[trouble].sentence;
}

const char *trouble_extent(enum trouble trouble)
{
    return troubles[trouble].extent;
}

// A site that is left alone says nothing itself: what taught that does.
static bool is_kept(const json_t *waiting)
{
    return strncmp(json_word(waiting, "why"), "site-", 5) == 0 || !json_word(waiting, "why")[0];
}

static const json_t *last_failing(const json_t *recent)
{
    const json_t *host, *last = NULL;
    size_t i;
    json_array_foreach (json_object_get(recent, "hosts"), i, host)
        if (json_says(host, "failing") &&
            (!last || json_number_of(host, "failed") >= json_number_of(last, "failed")))
            last = host;
    return last;
}

// A recipient that was refused, where nobody has been delivered to since.
static const json_t *last_recipient(const json_t *recent)
{
    const json_t *host, *last = NULL;
    size_t i;
    json_array_foreach (json_object_get(recent, "hosts"), i, host) {
        const json_t *told = json_object_get(host, "recipient");
        if (json_is_object(told) &&
            json_number_of(told, "at") >= json_number_of(recent, "delivered") &&
            (!last || json_number_of(told, "at") >= json_number_of(last, "at")))
            last = told;
    }
    return last;
}

const json_t *trouble_row(const json_t *explanation)
{
    const json_t *recent = json_object_get(explanation, "recent");
    const json_t *waiting = json_object_get(explanation, "waiting");
    bool waits = json_number_of(waiting, "recipients") > 0;
    if (waits && !is_kept(waiting))
        return waiting;
    if (!waits && strcmp(json_word(recent, "state"), "failing") != 0)
        return last_recipient(recent);
    const json_t *host = last_failing(recent);
    return host ? host : waits ? waiting : NULL;
}

// What a reply is about, and who can mend it.
static enum trouble by_class(const json_t *row)
{
    switch (reply_class_parse(json_word(row, "class"))) {
    case REPLY_GREYLIST:
        return TROUBLE_GREYLIST;
    case REPLY_REPUTATION:
        return TROUBLE_REPUTE;
    case REPLY_AUTH:
        return TROUBLE_SENDER;
    default:
        return act_is_ours(act_named(json_word(row, "act")))   ? TROUBLE_OURS
               : act_named(json_word(row, "act")) == ACT_HEALS ? TROUBLE_HEALS
                                                               : TROUBLE_NONE;
    }
}

static enum trouble by_scope(enum reason reason)
{
    const struct reason_row *row = reason_row(reason);
    bool good = row->status[0] == '5';
    switch (row->scope) {
    case WHY_RECIPIENT:
        return good ? TROUBLE_RECIPIENT : TROUBLE_PUT_OFF;
    case WHY_MESSAGE:
        return good ? TROUBLE_MESSAGE : TROUBLE_SITE;
    case WHY_OURS:
        return TROUBLE_OURS;
    default:
        return row->act == ACT_SENDER ? TROUBLE_MESSAGE : TROUBLE_SITE; // its size, its encoding
    }
}

enum trouble trouble_of(const json_t *explanation)
{
    const json_t *row = trouble_row(explanation);
    if (!row)
        return TROUBLE_NONE;
    enum reason reason = reason_named(json_word(row, "why"));
    if (reason == REASON_REQUIRETLS_NO_NAME || reason == REASON_REQUIRETLS_NOT_OFFERED)
        return TROUBLE_REQUIRETLS;
    enum trouble trouble = by_class(row);
    return trouble != TROUBLE_NONE ? trouble : by_scope(reason);
}
