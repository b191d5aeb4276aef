// SPDX-License-Identifier: ISC
// As much of MIME as a report needs (RFC 2045 section 5.1, RFC 2046 section 5.1): what type a part has, and where the
// parts of a multipart begin and end. Pure.
#ifndef RELAY_RETURNS_MIME_H
#define RELAY_RETURNS_MIME_H

#include "relay/base/span.h"

struct mime_type {
    char name[80];     // "multipart/report", lower case
    char boundary[72]; // "" without one; 70 characters at most
};
// Of the value of Content-Type. False: it cannot be read.
bool mime_type_read(struct span value, struct mime_type *out);
// The next part of a multipart's body, its own header with it; *rest is stepped behind it. One whose end is missing goes
// to the end of the bytes.
bool mime_next_part(struct span *rest, const char *boundary, struct span *part);
struct span mime_behind_empty_line(struct span text); // empty where there is none

#endif
