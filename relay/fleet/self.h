// SPDX-License-Identifier: ISC
// Who this node is: its name, the number that the fleet gave it, and a random word that tells two relays of one name
// apart. Kept in a file beside the state database, so that it goes where the state goes and is known without the
// fleet's database.
#ifndef RELAY_FLEET_SELF_H
#define RELAY_FLEET_SELF_H

#include "relay/base/why.h"

#define SELF_NAME     64  // bytes of a node's name
#define SELF_INSTANCE 33  // bytes of the random word
#define SELF_NUMBERS  255 // nodes that a fleet can ever have

struct self {
    char name[SELF_NAME];
    unsigned number; // 1 and up; 0: the fleet has not given one
    char instance[SELF_INSTANCE];
    unsigned nodes; // how many there were when the fleet was last seen; 0: not known
};

char *self_path(
    const char *state); // of the file, for the path of the state database; the caller frees it
// What the file says of this name; where it says nothing (none, damaged, another name) the number is 0 and the word new.
void self_read(const char *path, const char *name, struct self *out);
int self_write(const char *path, const struct self *self, struct why *why); // whole and synced

#endif
