// SPDX-License-Identifier: ISC
// The message as programs hand it to sendmail: its line ends, where its header ends, which addresses stand in it.
#include <stdlib.h>
#include <string.h>
#include "config/value.h"
#include "relay/base/mem.h"
#include "relay/command/sendmail.h"

static void take_text(struct sendmail_lines *lines, char c, struct buf *out)
{
    lines->at = LINES_TEXT;
    if (c == '\r') {
        lines->at = LINES_CR;
    } else if (c == '\n') {
        buf_adds(out, "\r\n");
        lines->at = LINES_START;
    } else {
        buf_addc(out, c);
    }
}

static void take(struct sendmail_lines *lines, char c, struct buf *out)
{
    switch (lines->at) {
    case LINES_START:
        if (c == '.' && !lines->dots)
            lines->at = LINES_DOT;
        else
            take_text(lines, c, out);
        return;
    case LINES_DOT:
    case LINES_DOT_CR:
        if (c == '\n') {
            lines->ended = true;
            return;
        }
        if (lines->at == LINES_DOT && c == '\r') {
            lines->at = LINES_DOT_CR;
            return;
        }
        buf_adds(out, lines->at == LINES_DOT ? "." : ".\r");
        take_text(lines, c, out);
        return;
    case LINES_TEXT:
        take_text(lines, c, out);
        return;
    case LINES_CR: // a CR that ends no line stays, and the relay says what it thinks of it
        if (c != '\n')
            buf_addc(out, '\r');
        take_text(lines, c, out);
        return;
    }
}

void sendmail_lines(struct sendmail_lines *lines, struct span in, struct buf *out)
{
    for (size_t i = 0; i < in.n && !lines->ended; i++)
        take(lines, (char)in.p[i], out);
}

void sendmail_lines_end(struct sendmail_lines *lines, struct buf *out)
{
    if (lines->ended || lines->at == LINES_START)
        return;
    bool dot = lines->at == LINES_DOT || lines->at == LINES_DOT_CR;
    buf_adds(out, dot ? ".\r\n" : "\r\n");
    lines->at = LINES_START;
}

// ---- the header

static bool is_field(struct span line)
{
    ptrdiff_t colon = span_find(line, ':');
    if (colon <= 0)
        return false;
    struct span name = span_trim(span_slice(line, 0, (size_t)colon));
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= 32 || name.p[i] > 126)
            return false;
    return name.n > 0 && name.p == line.p;
}

ptrdiff_t sendmail_header_length(struct span text, bool final)
{
    struct span rest = text, line, behind;
    while (span_cut(rest, '\n', &line, &behind)) {
        bool folded = line.n && (line.p[0] == ' ' || line.p[0] == '\t') && rest.p != text.p;
        if (!folded && !is_field(line))
            return (ptrdiff_t)(text.n - rest.n);
        rest = behind;
    }
    return final ? (ptrdiff_t)text.n : -1;
}

// ---- addresses

void sendmail_add(struct strings *list, char *text)
{
    list->at = mem_grow(list->at, list->n + 1, sizeof *list->at);
    list->at[list->n++] = text;
}

void sendmail_forget(struct strings *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->at[i]);
    free(list->at);
    *list = (struct strings){0};
}

// A list as it is read: a letter at a time.
struct reading {
    struct buf word; // of the address that is being read
    unsigned depth;  // of comments
    bool quoted, angle, literal, escaped;
    bool closed; // ">" was seen: the rest, up to the comma, is no address
    bool blank;  // white space since the last letter
};

// White space stands in lists between the letters of an address only around its dots and its @.
static void add_letter(struct reading *r, char c)
{
    if (r->closed)
        return;
    if (r->blank && r->word.len && !strchr(".@", c) && !strchr(".@", r->word.data[r->word.len - 1]))
        buf_addc(&r->word, ' ');
    r->blank = false;
    buf_addc(&r->word, c);
}

static int end_address(struct reading *r, struct strings *out, struct why *why)
{
    char quoted[VALUE_QUOTE];
    bool bad = r->word.full || r->quoted || r->depth || r->angle;
    for (size_t i = 0; i < r->word.len; i++)
        bad |= r->word.data[i] < 32 || r->word.data[i] == 127 ||
               (!memchr(r->word.data, '"', r->word.len) && strchr(" <>", r->word.data[i]));
    if (bad)
        return why_set(why, WHY_MESSAGE, "5.1.3", "%s is no address",
                       value_quote(buf_span(&r->word), quoted));
    if (r->word.len)
        sendmail_add(out, span_dup(buf_span(&r->word)));
    buf_reset(&r->word);
    r->closed = r->blank = false;
    return 0;
}

static void take_inside(struct reading *r, char c)
{
    if (r->escaped || c == '\\') {
        r->escaped = !r->escaped;
    } else if (r->depth) {
        r->depth += c == '(' ? 1U : c == ')' ? -1U : 0U;
        r->blank = true;
        return;
    } else if (c == '"') {
        r->quoted = false;
    }
    if (!r->depth && !r->closed)
        buf_addc(&r->word, c);
}

static void take_outside(struct reading *r, char c)
{
    switch (c) {
    case '(':
        r->depth++;
        return;
    case '"':
        r->quoted = true;
        add_letter(r, c);
        return;
    case '<': // what stood before it is a name
        buf_reset(&r->word);
        r->angle = true;
        r->closed = r->blank = false;
        return;
    case '>':
        r->angle = false;
        r->closed = true;
        return;
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        r->blank = true;
        return;
    default:
        r->literal = c == '[' || (r->literal && c != ']');
        add_letter(r, c);
    }
}

int sendmail_addresses(struct span list, struct strings *out, struct why *why)
{
    struct reading r = {0};
    buf_init(&r.word, SENDMAIL_ADDRESS);
    int rc = 0;
    for (size_t i = 0; i < list.n && rc == 0; i++) {
        char c = (char)list.p[i];
        if (r.depth || r.quoted)
            take_inside(&r, c);
        else if (!r.angle && (c == ',' || c == ';'))
            rc = end_address(&r, out, why);
        else if (c == ':' && !r.angle && !r.literal)
            buf_reset(&r.word); // the name of a group
        else
            take_outside(&r, c);
    }
    if (rc == 0)
        rc = end_address(&r, out, why);
    buf_free(&r.word);
    return rc;
}

char *sendmail_complete(const char *address, const struct sendmail_origin *origin)
{
    if (strchr(address, '@') || !*address)
        return mem_dup(address);
    return strchr(origin->origin, '@') ? mem_dup(origin->origin)
                                       : mem_printf("%s@%s", address, origin->origin);
}
