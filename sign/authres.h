// SPDX-License-Identifier: ISC
// Authentication-Results (RFC 8601): reading those of others, writing our own. The same text stands in
// ARC-Authentication-Results (RFC 8617 section 4.1.1).
#ifndef SIGN_AUTHRES_H
#define SIGN_AUTHRES_H

#include <stdbool.h>
#include "relay/base/buf.h"

#define MAX_AUTHRES_RESULTS    50
#define MAX_AUTHRES_PROPERTIES 20   // of one result
#define MAX_AUTHRES_VALUE      256  // bytes of a value that we write; longer ones are cut
#define MAX_AUTHRES_TEXT       4096 // bytes of one result taken over

struct authres_property {
    char *type, *name; // "smtp", "mailfrom"; lower case
    char *value;
};

struct authres_result {
    char *method, *result; // lower case
    char *reason;          // NULL: none
    struct authres_property properties[MAX_AUTHRES_PROPERTIES];
    size_t nproperties;
    char *text; // the whole of it on one line, comments included, white space reduced
};

struct authres {
    char *id; // the authserv-id, as it came
    struct authres_result *results;
    size_t n; // 0: "none"
};

// The value of an Authentication-Results field. A property that is none is passed over. -1: not such a
// field, of another version, or with a comment whose end a stranger may have chosen; nothing to free then.
int authres_parse(struct span value, struct authres *out);
void authres_free(struct authres *a);
// False: it is written in a version that is not 1.
bool authres_version_known(struct span value);
// Only who claims to speak: also of a field whose rest is broken. Caller frees; NULL: nobody.
char *authres_id(struct span value);
const char *authres_get(const struct authres_result *r, const char *type, const char *name);

// Writing: authres_begin, any number of results with their parts, authres_end. What others chose is made
// harmless: quoted where needed; control characters become "?", and with them what is beyond ASCII, unless
// the message is internationalized (`utf8`: then well-formed UTF-8 stays, RFC 8601 section 2.2).
struct authres_writer {
    struct buf *out;
    bool utf8;
    size_t column;
    bool any;
};
void authres_begin(struct authres_writer *w, struct buf *out, const char *id, bool utf8);
void authres_result(struct authres_writer *w, const char *method, const char *result);
void authres_comment(struct authres_writer *w, const char *text); // without parentheses
void authres_reason(struct authres_writer *w, const char *text);
void authres_property(struct authres_writer *w, const char *type_name, const char *value);
// "d", "x@d" or "@d": the domain as an A-label where the message is not internationalized.
void authres_domain(struct authres_writer *w, const char *type_name, const char *address);
void authres_text(struct authres_writer *w, const char *text); // a result taken over
void authres_end(struct authres_writer *w);                    // "none" where there was no result

#endif
