// SPDX-License-Identifier: ISC
// One node's mail to another, told as it goes.
#include "relay/command/fleet_evacuate.h"

#include <stdio.h>
#include "relay/base/exit.h"
#include "relay/fleet/evacuation.h"
#include "relay/log/json.h"

static void fleet_evacuate_tell(const char *sentence)
{
    puts(sentence);
    fflush(stdout);
}

static void fleet_evacuate_silently(const char *sentence)
{
    (void)sentence;
}

static void print_end(const char *node, const struct evacuation_end *end)
{
    const char *heir = end->heir[0] ? end->heir : "another node";
    if (end->messages < 0)
        printf("%s ended before it could give its mail away, and %s has taken it over\n", node,
               heir);
    else
        printf("%s was evacuated: %lld messages go on at %s\n", node, (long long)end->messages,
               heir);
}

static void print_end_json(const char *node, const struct evacuation_end *end)
{
    json_t *messages = end->messages < 0 ? json_null() : json_integer(end->messages);
    json_t *j = json_pack("{s:o, s:o, s:o, s:b}", "node", json_text(node), "to",
                          json_text(end->heir), "messages", messages, "kept", (int)end->kept);
    json_dumpf(j, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(j);
}

int fleet_evacuate(const struct config *config, const char *node, const char *to, bool json)
{
    int status;
    struct why why;
    struct evacuation_end end;
    if (evacuation_run(config, node, to, json ? fleet_evacuate_silently : fleet_evacuate_tell, &end,
                       &status, &why) < 0) {
        fprintf(stderr, "waxwing fleet: %s\n", why.text);
        return status;
    }
    if (json)
        print_end_json(node, &end);
    else
        print_end(node, &end);
    if (end.kept)
        fprintf(stderr,
                "waxwing fleet: some of it cannot be read, and stays in the journal: see the log "
                "of %s\n",
                end.heir);
    return status;
}
