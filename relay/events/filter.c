// SPDX-License-Identifier: ISC
// Which events a sink gets.
#include <stdlib.h>
#include <string.h>
#include "config/pattern.h"
#include "relay/events/inside.h"
#include "relay/log/json.h"

struct sink_filter sink_filter_of(const struct cfg_sink *config)
{
    struct sink_filter filter = {
        .users = &config->users, .from = config->from, .nfrom = config->nfrom};
    for (size_t i = 0; i < config->types.n; i++)
        filter.types |= 1u << event_type_parse(config->types.at[i]);
    return filter;
}

static bool takes_user(const struct sink_filter *filter, const json_t *event)
{
    const char *user = json_string_value(json_object_get(event, "user"));
    for (size_t i = 0; user && i < filter->users->n; i++)
        if (strcmp(filter->users->at[i], user) == 0)
            return true;
    return filter->users->n == 0;
}

static bool matches(const struct sender_pattern *p, const char *address)
{
    const char *at = strrchr(address, '@');
    char *domain = span_dup_lower(span_text(at ? at + 1 : ""));
    bool match = pattern_matches(p, address, domain);
    free(domain);
    return match;
}

static bool takes_from(const struct sink_filter *filter, const json_t *event)
{
    const char *from = json_string_value(json_object_get(event, "from"));
    for (size_t i = 0; from && i < filter->nfrom; i++)
        if (matches(&filter->from[i], from))
            return true;
    return filter->nfrom == 0;
}

bool sink_filter_takes(const struct sink_filter *filter, struct span object)
{
    if (!filter->types && !filter->users->n && !filter->nfrom)
        return true;
    json_t *event = json_loadb((const char *)object.p, object.n, 0, NULL);
    const char *word = json_string_value(json_object_get(event, "event"));
    bool type = word && (!filter->types || filter->types & 1u << event_type_parse(word));
    bool takes = type && takes_user(filter, event) && takes_from(filter, event);
    json_decref(event);
    return takes;
}
