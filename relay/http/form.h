// SPDX-License-Identifier: ISC
// A form that asks the page anew with what is chosen in its address: it works without a script, and can be kept as a
// bookmark. Every field has a label that is seen.
#ifndef RELAY_HTTP_FORM_H
#define RELAY_HTTP_FORM_H

#include "relay/base/buf.h"

#define FORM_TEXT 253 // bytes of a text that is asked for

void form_begin(struct buf *out, const char *path, const char *label); // label: for screen readers
void form_text(struct buf *out, const char *name, const char *label, const char *value,
               const char *hint);
void form_day(struct buf *out, const char *name, const char *label, const char *value);
// A list to choose from; `text` NULL: the word itself.
void form_choice_begin(struct buf *out, const char *name, const char *label, const char *chosen);
void form_choice(struct buf *out, const char *word, const char *text, const char *chosen);
void form_choice_end(struct buf *out);
void form_end(struct buf *out, const char *clear); // clear: where nothing is chosen; NULL: no link

#endif
