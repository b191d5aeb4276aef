// SPDX-License-Identifier: ISC
// The table of nodes: joining it, saying that one lives, and reading what all of them say.
//
// What another node wrote is read with care: numbers that are none, texts without end and configurations that are no
// JSON change nothing but what is shown of that node.
#ifndef RELAY_FLEET_NODE_H
#define RELAY_FLEET_NODE_H

#include <jansson.h>
#include "relay/fleet/self.h"
#include "relay/fleet/session.h"

#define NODE_SILENT_S 30 // a node that has said nothing for so long counts as silent

enum node_joining {
    NODE_JOINED,
    NODE_TAKEN, // another relay of this name lives; why
    NODE_FAILED // the database; why
};
// Finds or makes this node's row; its number comes into `self`.
enum node_joining node_join(struct session *s, struct self *self, struct why *why);

// What a node says of itself.
struct node_news {
    const char *program, *hostname, *fingerprint;
    int64_t started_ms;
    int64_t taken;   // number of the last change that it has taken in
    int64_t waiting; // changes that it has not shared yet
};
// NODE_TAKEN: the row is another relay's now.
enum node_joining node_tell(struct session *s, const struct self *self,
                            const struct node_news *news, struct why *why);

// What there is to know of the fleet.
struct node_view {
    json_t *nodes; // rows, as `waxwing fleet status --json` has them; owned
    unsigned n, live;
    int64_t seq;      // number of the newest change
    int64_t standbys; // servers that follow the database; -1: this role cannot see them
    int64_t synchronous;
};
// `fingerprint`: what the nodes' configurations are held against; `self`: whose row is "self". -1 with why.
int node_look(struct session *s, const char *self, const char *fingerprint, struct node_view *out,
              struct why *why);
void node_view_free(struct node_view *view); // accepts one that is all zero

#endif
