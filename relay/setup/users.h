// SPDX-License-Identifier: ISC
// The users file: one `name:crypt(5)` a line, of any scheme that the system's crypt knows, or `name:` and a verifier of
// SCRAM-SHA-256 (relay/sasl/verifier.h); blank lines and lines that begin with # are skipped. Reads it into an immutable, counted table, checks passwords
// against it, and edits it safely. Never keeps or prints a password.
//
// Names are compared byte by byte, as they come in AUTH (UTF-8, RFC 4616).
#ifndef RELAY_SETUP_USERS_H
#define RELAY_SETUP_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "relay/base/buf.h"
#include "relay/base/why.h"
#include "relay/sasl/verifier.h"
#include "relay/sasl/words.h"

#define USERS_FILE_SIZE 16777216 // bytes, the largest users file read
#define USERS_NAME      SASL_NAME
#define USERS_PASSWORD  SASL_PASSWORD
#define USERS_HASH      384 // bytes with NUL, any hash

struct users;

// The table; NULL and why when the file cannot be read. A bad line (no hash, unknown scheme, a name
// twice) adds "path:LINE: message" and a line break to `complaints` and counts for nothing; the other
// users stay able to log in. `complaints` may be NULL.
struct users *users_load(const char *path, struct buf *complaints, struct why *why);
// The same from memory. Pure.
struct users *users_parse(const char *path, struct span text, struct buf *complaints);
struct users *users_ref(struct users *users); // thread-safe; NULL gives NULL
void users_unref(struct users *users);        // the last frees; accepts NULL

size_t users_count(const struct users *users);
const char *users_name(const struct users *users, size_t i);         // in the order of names
const char *users_find(const struct users *users, const char *name); // the hash, or NULL
// True when the file behind the table is no longer the one that was read (one stat).
bool users_stale(const struct users *users);

// How many have a verifier, and so may log in with SCRAM.
size_t users_verifiers(const struct users *users);
// The verifier of a name; for any other a decoy under the secret, with as many iterations as the file's most.
void users_verifier(const struct users *users, const char *name, const unsigned char *secret,
                    size_t nsecret, struct verifier *out);

// Blocking, some milliseconds of CPU, for a thread pool. Compares in constant time.
bool users_verify(const char *hash, const char *password);
// The same by name. An unknown name costs as much as a known one, so that time tells nothing.
bool users_check(const struct users *users, const char *name, const char *password);
// A new yescrypt hash with the system's cost and fresh salt. Blocking.
int users_hash(const char *password, char out[USERS_HASH], struct why *why);
// A new verifier. Blocking.
int users_scram(const char *password, char out[USERS_HASH], struct why *why);

// Not empty, no colon, no control character, no # or blank at its beginning, at most USERS_NAME.
bool users_name_ok(const char *name);

enum users_verb { USERS_ADD, USERS_CHANGE, USERS_REMOVE };
enum users_result {
    USERS_DONE,
    USERS_THERE,  // USERS_ADD: the name has a line already
    USERS_ABSENT, // USERS_CHANGE, USERS_REMOVE: it has none
    USERS_FAILED  // why is set
};
// Replaces the file as a whole: locked against other editors, written beside it, synced, renamed.
// Readers see the old or the new file, never half. Other lines, mode (never more than 0640) and owner
// stay. USERS_ADD makes a missing file, 0600, or 0640 and of that group where `group` is not -1.
enum users_result users_edit(const char *path, enum users_verb verb, const char *name,
                             const char *hash, gid_t group, struct why *why);

#endif
