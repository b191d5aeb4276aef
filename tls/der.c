// SPDX-License-Identifier: ISC
// Walks the outermost fields of a certificate (RFC 5280 section 4.1). Pure; looks inside nothing.
#include "tls/der.h"

#define SEQUENCE 0x30
#define INTEGER  0x02
#define VERSION  0xa0 // [0] EXPLICIT

// Takes the element with this tag from the front of *rest: all of it, and its content.
static bool der_take(struct span *rest, unsigned char tag, struct span *whole, struct span *content)
{
    struct span s = *rest;
    if (s.n < 2 || s.p[0] != tag)
        return false;
    size_t head = 2, n = s.p[1];
    if (n & 0x80) {
        size_t bytes = n & 0x7f;
        if (bytes == 0 || bytes > 3 || s.n < 2 + bytes) // DER has no indefinite length
            return false;
        n = 0;
        for (size_t i = 0; i < bytes; i++)
            n = n << 8 | s.p[2 + i];
        head += bytes;
    }
    if (n > s.n - head)
        return false;
    *whole = span_slice(s, 0, head + n);
    *content = span_slice(s, head, head + n);
    *rest = span_from(s, head + n);
    return true;
}

bool der_signed_part(struct span certificate, struct span *out)
{
    struct span whole, inside, content;
    return der_take(&certificate, SEQUENCE, &whole, &inside) && certificate.n == 0 &&
           der_take(&inside, SEQUENCE, out, &content);
}

bool der_public_key(struct span certificate, struct span *out)
{
    struct span tbs, fields, whole, content;
    if (!der_signed_part(certificate, &tbs) || !der_take(&tbs, SEQUENCE, &whole, &fields))
        return false;
    der_take(&fields, VERSION, &whole, &content);           // absent: version 1
    return der_take(&fields, INTEGER, &whole, &content) &&  // serial number
           der_take(&fields, SEQUENCE, &whole, &content) && // signature algorithm
           der_take(&fields, SEQUENCE, &whole, &content) && // issuer
           der_take(&fields, SEQUENCE, &whole, &content) && // validity
           der_take(&fields, SEQUENCE, &whole, &content) && // subject
           der_take(&fields, SEQUENCE, out, &content);
}
