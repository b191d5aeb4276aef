// SPDX-License-Identifier: ISC
#include "relay/queue/unmet.h"

#include <stdio.h>
#include <string.h>
#include "relay/base/reasons.h"

#define UNMET_BEGINS "no connection was made this time: the host is left alone for a while since "

static bool is_of_site(const struct why *why)
{
    return why && (why->reason == REASON_SITE_SHUT || why->reason == REASON_SITE_PACED ||
                   why->reason == REASON_SITE_PAUSED);
}

bool unmet(const struct attempt *attempt, const struct why *why)
{
    return is_of_site(why) || (attempt && attempt->left);
}

void unmet_say(struct why *why)
{
    char cause[400];
    if (is_of_site(why) || strncmp(why->text, UNMET_BEGINS, strlen(UNMET_BEGINS)) == 0)
        return;
    snprintf(cause, sizeof cause, "%.*s", (int)sizeof cause - 1, why->text);
    snprintf(why->text, sizeof why->text, UNMET_BEGINS "an earlier attempt failed (%s)", cause);
}
