// SPDX-License-Identifier: ISC
// Files whose first line is a secret. Whoever holds one wipes it; no line of it reaches a log.
#ifndef RELAY_OAUTH_SECRET_FILE_H
#define RELAY_OAUTH_SECRET_FILE_H

#include <sys/stat.h>
#include "relay/base/span.h"
#include "relay/base/why.h"

#define SECRET_MAX 65536 // bytes of a password or token

char *secret_of(char *bytes, size_t n);               // the first line; wipes the bytes
char *secret_read(const char *path, struct why *why); // NULL with why
void secret_wipe(char *secret);                       // overwrites and frees it; accepts NULL
// Puts another secret into its place: mode 0600, whole and synced, or as it was. Blocking.
int secret_replace(const char *path, const char *secret, struct why *why);

#endif
