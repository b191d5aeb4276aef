// SPDX-License-Identifier: ISC
// What went wrong over TLS, for a browser: one table, no scripts, nothing to load. Everything in it came from
// strangers, so no byte of an entry reaches the page but through http_escape().
#include "relay/http/failures.h"

#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/utf8.h"

#define FOOT_ROOM 512  // bytes kept free for what follows the rows
#define CELL_MAX  1024 // bytes of one value shown; longer ones are cut and end in "..."

// U+0080 to U+009F, U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069: invisible, and they make a line look
// like another.
static bool is_trick(struct span c)
{
    if (c.n == 1)
        return (c.p[0] < ' ' && c.p[0] != '\t' && c.p[0] != '\n') || c.p[0] == 127;
    if (c.n == 2)
        return c.p[0] == 0xc2 && c.p[1] < 0xa0;
    if (c.n != 3 || c.p[0] != 0xe2)
        return false;
    unsigned char last = c.p[2];
    return (c.p[1] == 0x80 && (last == 0x8e || last == 0x8f || (last >= 0xa8 && last <= 0xae))) ||
           (c.p[1] == 0x81 && last >= 0xa6 && last <= 0xa9);
}

static void escape_character(struct span c, struct buf *out)
{
    static const char marks[] = "&<>\"'";
    static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    const char *mark = c.p[0] ? strchr(marks, c.p[0]) : NULL;
    if (mark)
        buf_adds(out, names[mark - marks]);
    else if (is_trick(c))
        buf_adds(out, "\xef\xbf\xbd"); // U+FFFD
    else
        buf_addspan(out, c);
}

void http_escape(struct span text, struct buf *out)
{
    while (text.n) {
        size_t n = utf8_length(text);
        if (n)
            escape_character(span_of(text.p, n), out);
        else
            buf_adds(out, "\xef\xbf\xbd");
        text = span_from(text, n ? n : 1);
    }
}

static void value(struct buf *out, const char *text)
{
    struct span s = span_text(text);
    bool cut = s.n > CELL_MAX;
    if (cut)
        s = span_of(s.p, CELL_MAX);
    while (cut && s.n && (s.p[s.n - 1] & 0xc0) == 0x80) // not inside a character
        s.n--;
    http_escape(s, out);
    if (cut)
        buf_adds(out, "...");
}

static void cell(struct buf *out, const char *text)
{
    buf_adds(out, "<td>");
    value(out, text);
    buf_adds(out, "</td>");
}

static void cell_pair(struct buf *out, const char *text, const char *small)
{
    buf_adds(out, "<td>");
    value(out, text);
    if (small[0]) {
        buf_adds(out, "<br><small>");
        value(out, small);
        buf_adds(out, "</small>");
    }
    buf_adds(out, "</td>");
}

static const char *consequence(const struct ledger_entry *f)
{
    if (f->refused) // rules and REQUIRETLS hold in shadow mode too
        return "refused";
    return f->shadow ? "would have been refused" : "went on";
}

static void row(struct buf *out, const struct ledger_entry *f)
{
    char when[40], id[ID_TEXT] = "";
    clock_rfc3339(f->time_ms, when);
    if (f->id)
        id_text(f->id, id);
    buf_addf(out, "<tr class=\"%s\">", f->refused ? "refused" : "passed");
    cell_pair(out, when, id);
    cell(out, f->domain);
    cell_pair(out, f->mx_host, f->mx_ip);
    cell(out, f->result == WHY_TLS_NONE ? "policy" : why_tls_word(f->result));
    cell(out, consequence(f));
    cell_pair(out, f->demand, f->source);
    cell(out, f->reason);
    buf_adds(out, "</tr>\n");
}

static void head(struct buf *out, const char *hostname, int64_t now_ms)
{
    char now[40];
    clock_rfc3339(now_ms, now);
    buf_adds(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width\">\n<title>TLS failures, ");
    value(out, hostname);
    buf_adds(out, "</title>\n<style>\n"
                  "body { font: 15px/1.4 sans-serif; margin: 2em; color: #222 }\n"
                  "table { border-collapse: collapse }\n"
                  "th, td { text-align: left; vertical-align: top; padding: .3em .8em;"
                  " border-bottom: 1px solid #ddd; overflow-wrap: anywhere }\n"
                  "tr.refused td:nth-child(5) { color: #a00; font-weight: bold }\n"
                  "small { color: #666 }\n"
                  "</style></head><body>\n<h1>TLS failures</h1>\n<p>");
    value(out, hostname);
    buf_addf(out,
             ", %s, newest first. <a href=\"/metrics\">Metrics</a>, "
             "<a href=\"/healthz\">health</a>.</p>\n",
             now);
}

// A row that the page has no room for is taken back whole.
static size_t add_rows(const struct ledger_rows *rows, struct buf *out)
{
    size_t n = 0, max = out->max;
    buf_adds(out, "<table><thead><tr><th>Time, message</th><th>Domain</th><th>Host</th>"
                  "<th>Failure</th><th>Delivery</th><th>Demand, source</th><th>Reason</th></tr>"
                  "</thead><tbody>\n");
    out->max = max - FOOT_ROOM;
    for (; n < rows->n; n++) {
        size_t before = out->len;
        row(out, rows->at[n].entry);
        if (out->full) {
            buf_cut(out, before);
            out->full = false;
            break;
        }
    }
    out->max = max;
    buf_adds(out, "</tbody></table>\n");
    return n;
}

void http_failures(const struct ledger_rows *rows, const char *error, const char *hostname,
                   int64_t now_ms, struct buf *out)
{
    head(out, hostname, now_ms);
    if (error) {
        buf_adds(out, "<p>The state database cannot be read: ");
        value(out, error);
        buf_adds(out, ".</p>\n");
    } else if (rows->n == 0) {
        buf_adds(out, "<p>None are known.</p>\n");
    } else {
        size_t shown = add_rows(rows, out);
        if (shown < rows->n || rows->n >= HTTP_FAILURES)
            buf_addf(out,
                     "<p>These are the newest %zu; <code>waxwing tls failures</code> has "
                     "the others.</p>\n",
                     shown);
    }
    buf_adds(out, "</body></html>\n");
}
