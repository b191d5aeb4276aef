// SPDX-License-Identifier: ISC
// The inside of turning keys: what the files of this room share.
#ifndef RELAY_ROTATE_INSIDE_H
#define RELAY_ROTATE_INSIDE_H

// As root: a new file gets the owner of `like` (NULL: keeps its own), and its rights where that one is root's.
int store_give(const char *path, const char *like);

#endif
