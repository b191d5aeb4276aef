// SPDX-License-Identifier: ISC
// The words of the catalogue, looked up by their names.
#include "relay/command/advice.h"

#include "relay/base/reasons.h"
#include "relay/log/json.h"
#include "relay/smtp/reply_remedy.h"

const char *advice_actor(const json_t *row)
{
    return act_text(act_named(json_word(row, "act")));
}

const char *advice_phrase(const json_t *row)
{
    return act_phrase(act_named(json_word(row, "act")));
}

const char *advice_text(const json_t *row)
{
    return reply_advice(reason_named(json_word(row, "why")),
                        reply_class_parse(json_word(row, "class")));
}

const char *advice_means(const json_t *row)
{
    return reply_means(reason_named(json_word(row, "why")),
                       reply_class_parse(json_word(row, "class")));
}
