// SPDX-License-Identifier: ISC
// Writing header fields made of tags ("Name: t=v; t=v"), folded so that no line passes 76 octets where it
// can be helped (RFC 5322 section 2.1.1 asks for 78).
//
// The tag b= is special: a signature covers its own field with b= empty, so the field is written in two
// steps, and folding around b= is the same in both. fold_finish puts the signature in.
#ifndef SIGN_FOLD_H
#define SIGN_FOLD_H

#include "relay/base/buf.h"
#include "sign/canon.h"

struct fold {
    struct buf text;  // the field without its final CRLF, b= still empty
    size_t column;    // octets in the last line
    size_t signature; // where the value of b= will go; 0: there is none yet
    bool first;       // no tag yet
};

void fold_init(struct fold *f, const char *field_name);
void fold_free(struct fold *f);
void fold_tag(struct fold *f, const char *name, const char *value);
void fold_names(struct fold *f, const char *name, const char *value); // may break behind ":"
void fold_signature(struct fold *f);                                  // "b=", empty
// Adds the field as it is signed: canonical, b= empty, without its line end.
int fold_canon(const struct fold *f, enum canon canon, struct buf *data);
// The whole field with `signature` in b= and a final CRLF, added to out; whole: its value on one line as
// long as SMTP carries such lines. -1: over a ceiling.
int fold_finish(struct fold *f, struct span signature, bool whole, struct buf *out);

#endif
