// SPDX-License-Identifier: ISC
// Pages as HTML, piece by piece. Whatever a stranger may have written goes through html_text: markup is escaped;
// controls, what is not UTF-8 and what turns the direction of writing become U+FFFD.
#ifndef RELAY_HTTP_HTML_H
#define RELAY_HTTP_HTML_H

#include <jansson.h>
#include <stdint.h>
#include "relay/base/buf.h"

#define HTML_TEXT_MAX 2048 // bytes of one text shown; longer ones are cut and end in "…"

void html_escape(struct span text, struct buf *out); // as text or attribute value
void html_text(struct buf *out, const char *text);   // the same, cut; NULL counts as ""
void html_number(struct buf *out, uint64_t n);       // "12 345", with narrow spaces
// "3 min ago" or "in 2 h", the whole time on hover; "–" for 0.
void html_when(struct buf *out, int64_t time_s, int64_t now_s);
// Of what is to happen: the same, and "now" where that is over.
void html_due(struct buf *out, int64_t time_s, int64_t now_s);
// "2026-11-27T01:02:03Z" (our own) without its letters.
void html_moment(struct buf *out, const char *text);
// A link to the page of a domain or a message; plain text where the name could not stand in a path.
void html_link(struct buf *out, const char *folder, const char *name);

// The frame of every page. `here`: the path of the menu's entry that this page belongs to; `refresh`: seconds after
// which a browser asks anew, 0: never.
struct html_frame {
    const char *title, *here, *hostname;
    int64_t now_ms;
    unsigned refresh;
    bool fleet; // the menu has the page of the fleet
};
void html_begin(struct buf *out, const struct html_frame *frame);
void html_end(struct buf *out);

// A table that becomes a list of cards on a narrow screen: each cell is told its column's name. Its roles are said
// outright, since a browser drops them with the layout of a table.
struct html_table {
    struct buf *out;
    const char *const *columns; // NULL-terminated; a name that begins with '#' is of numbers
    size_t column;
};
void html_table_begin(struct html_table *t, struct buf *out, const char *caption,
                      const char *const *columns);
void html_row(struct html_table *t, const char *css); // css: a class, or NULL
void html_cell(struct html_table *t); // opens the next cell; the one before is closed
void html_cell_text(struct html_table *t, const char *text);
void html_row_end(struct html_table *t);
void html_table_end(struct html_table *t);

// Members of a JSON answer; "" and 0 for what is not there.
const char *html_string(const json_t *j, const char *key);
int64_t html_integer(const json_t *j, const char *key);

#endif
