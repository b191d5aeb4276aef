// SPDX-License-Identifier: ISC
// The header block of a message as a list of fields, bytes untouched (RFC 5322 section 2.2): what
// signing, verification and the relay look at. Fields point into the caller's bytes.
#ifndef SIGN_HEADER_H
#define SIGN_HEADER_H

#include "relay/base/span.h"
#include "relay/base/why.h"

struct field {
    struct span whole; // name, colon, folded value, final line end
    struct span name;  // without white space before the colon
    struct span value; // behind the colon, line ends included except the last
};

struct header {
    struct field *fields; // top to bottom
    size_t n;
    struct span bytes; // all of it, with the empty line if there was one
};

// Splits at most MAX_HEADER_FIELDS fields; lines end in CRLF or LF. -1: a line that is no field (why says
// which), too many fields. The header ends at the first empty line or at the end of the bytes; `used`
// says how many bytes it took, the empty line included.
int header_parse(struct header *h, struct span bytes, size_t *used, struct why *why);
void header_free(struct header *h);

// The i-th field of that name from the top (0 the first), any case; NULL: no such.
const struct field *header_find(const struct header *h, const char *name, size_t i);
size_t header_count(const struct header *h, const char *name);
// The value of a Message-ID without its angle brackets, trimmed; also as people copy it.
struct span header_message_id(struct span value);

// Address lists (RFC 5322 section 3.4, RFC 6532), as From and Sender carry them.
struct addresses {
    char **at;         // "local@domain"; domain lower case A-label, quoted local part kept quoted
    struct span *spec; // beside at: the bytes of the value that it was read from
    size_t n;
    bool group; // a group was among them (RFC 6854)
};
// -1: not an address list. An empty list has n == 0.
int header_addresses(struct span value, struct addresses *out);
void addresses_free(struct addresses *out);
// The domain of the first From address, as an A-label; "" where there is none.
void header_from_domain(const struct header *h, char out[static 256]);
// The domain of "local@domain"; "" without one.
const char *address_domain(const char *address);

#endif
