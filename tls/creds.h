// SPDX-License-Identifier: ISC
// The relay's own certificates for inbound TLS: one or several, chosen by SNI, reread when their files
// change. Immutable and counted; a reload makes a new one.
#ifndef TLS_CREDS_H
#define TLS_CREDS_H

#include "config/config.h"
#include "relay/base/why.h"

struct creds;

// Reads and checks every chain and key (key fits certificate). NULL with why naming the file.
// tls_min, tls_priority and tickets of the first count for all: they are settled before a name is known.
// tickets: one ticket key for all workers, rotated by GnuTLS.
struct creds *creds_load(const struct cfg_certificate *certificates, size_t n, struct why *why);
// The same for files that changed, each pair by itself: a pair that cannot be used now goes on as it is in `old`,
// and `complain` hears why, once a pair; *news: at least one was read anew. NULL with why where nothing can be
// made at all.
struct creds *creds_renew(const struct creds *old, const struct cfg_certificate *certificates,
                          void (*complain)(void *arg, const struct why *why), void *arg, bool *news,
                          struct why *why);
struct creds *creds_ref(struct creds *creds);
void creds_unref(struct creds *creds); // accepts NULL
// One of the files differs (mtime, size, inode) from when it was read.
bool creds_changed(const struct creds *creds);
// A leaf certificate is out of its dates now, and why names its file. It is served all the same: most
// clients of a submission server do not look, and those that do say more than a closed port.
bool creds_doubtful(const struct creds *creds, struct why *why);
// Whether one of the certificates is for this name, as a client that looks would judge.
bool creds_have(const struct creds *creds, const char *name);
// The earliest end of validity among the leaf certificates, Unix seconds.
int64_t creds_expires(const struct creds *creds);
// The same of one chain file, whose key nobody needs to read; -1 with why.
int creds_chain_ends(const char *file, int64_t *ends, struct why *why);

#endif
