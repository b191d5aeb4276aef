// SPDX-License-Identifier: ISC
// What the folder of a domain remembers: rotation.json beside the keys, and the names of the key files, which say
// who signs. SELECTOR.pem signs, SELECTOR.next not yet, SELECTOR.retired no more; dkim.directory takes the first
// alone. rotation.json is written before names change, and names are brought into line with it at the next step,
// so that an end between the two leaves what one of both says, and either can sign.
#ifndef RELAY_ROTATE_STORE_H
#define RELAY_ROTATE_STORE_H

#include "relay/base/why.h"
#include "relay/rotate/rotation.h"

#define STORE_FILE "rotation.json"

// Reads rotation.json; none is an empty rotation. -1 with why: it cannot be read (`*damaged`: it makes no sense,
// and the names of the files say all that is needed), or a newer program wrote it.
int store_load(const char *folder, struct rotation *r, bool *damaged, struct why *why);
// Writes it whole or not at all, synced, mode 0600. `like`: as root its owner is the one of this file.
int store_save(const char *folder, const struct rotation *r, const char *like, struct why *why);

// The path of a key file as `phase` has it, for the caller to free.
char *store_path(const char *folder, const char *selector, enum rotation_phase phase);
// The path under which it lies now. NULL: there is none.
char *store_find(const char *folder, const struct rotation_key *key);
// Takes in keys that are there and drops those that are not. Keys that nobody has noted are of the phase that their
// name says.
void store_match(const char *folder, struct rotation *r, int64_t wall_ms);
// Renames to what the phases say: first what begins to sign, then what ends, and that only where another of its
// type signs. *renamed: something was.
int store_rename(const char *folder, const struct rotation *r, bool *renamed, struct why *why);
// A new key of this type as a next key; its selector is of the day and free.
int store_make(const char *folder, struct rotation *r, enum key_type type, unsigned bits,
               const char *like, int64_t wall_ms, struct why *why);
int store_sync(const char *folder); // what was renamed or removed there is on disk

#endif
