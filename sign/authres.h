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

// The value of an Authentication-Results field. -1: not one; nothing to free then.
int authres_parse(struct span value, struct authres *out);
void authres_free(struct authres *a);
// Only who claims to speak: also of a field whose rest is broken. Caller frees; NULL: nobody.
char *authres_id(struct span value);
const char *authres_get(const struct authres_result *r, const char *type, const char *name);

// Writing: authres_begin, any number of results with their parts, authres_end. What others chose is made
// harmless: quoted where needed, control and 8-bit characters become "?".
struct authres_writer {
    struct buf *out;
    size_t column;
    bool any;
};
void authres_begin(struct authres_writer *w, struct buf *out, const char *id);
void authres_result(struct authres_writer *w, const char *method, const char *result);
void authres_comment(struct authres_writer *w, const char *text); // without parentheses
void authres_reason(struct authres_writer *w, const char *text);
void authres_property(struct authres_writer *w, const char *type_name, const char *value);
void authres_text(struct authres_writer *w, const char *text); // a result taken over
void authres_end(struct authres_writer *w);                    // "none" where there was no result

#endif
