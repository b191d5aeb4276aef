// SPDX-License-Identifier: ISC
#include "relay/http/html.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/utf8.h"

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

void html_escape(struct span text, struct buf *out)
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

void html_text(struct buf *out, const char *text)
{
    struct span s = span_text(text);
    bool cut = s.n > HTML_TEXT_MAX;
    size_t n = cut ? HTML_TEXT_MAX : s.n;
    while (cut && n && (s.p[n] & 0xc0) == 0x80) // not inside a character
        n--;
    html_escape(span_of(s.p, n), out);
    if (cut)
        buf_adds(out, "…");
}

void html_number(struct buf *out, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n);
    for (int i = 0; i < len; i++) {
        buf_addc(out, digits[i]);
        if (i + 1 < len && (len - 1 - i) % 3 == 0)
            buf_adds(out, "\u202f");
    }
}

static void distance(struct buf *out, int64_t s)
{
    static const struct {
        int64_t s;
        const char *unit;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (s >= units[i].s * (i == 0 ? 2 : 1)) {
            buf_addf(out, "%" PRId64 " %s", s / units[i].s, units[i].unit);
            return;
        }
    buf_addf(out, "%" PRId64 " s", s);
}

void html_when(struct buf *out, int64_t time_s, int64_t now_s)
{
    char text[40];
    if (!time_s) {
        buf_adds(out, "–");
        return;
    }
    clock_rfc3339(time_s * 1000, text);
    buf_addf(out, "<time datetime=\"%s\" title=\"%s\">", text, text);
    if (time_s > now_s) {
        buf_adds(out, "in ");
        distance(out, time_s - now_s);
    } else if (time_s == now_s) {
        buf_adds(out, "just now");
    } else {
        distance(out, now_s - time_s);
        buf_adds(out, " ago");
    }
    buf_adds(out, "</time>");
}

void html_due(struct buf *out, int64_t time_s, int64_t now_s)
{
    if (time_s && time_s <= now_s)
        buf_adds(out, "now");
    else
        html_when(out, time_s, now_s);
}

void html_moment(struct buf *out, const char *text)
{
    buf_addf(out, "<time datetime=\"%s\">%.10s %.5s</time>", text, text,
             strlen(text) > 16 ? text + 11 : "");
}

void html_link(struct buf *out, const char *folder, const char *name)
{
    if (!name[0] ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") !=
            strlen(name)) {
        html_text(out, name);
        return;
    }
    buf_addf(out, "<a href=\"/%s/%s\">%s</a>", folder, name, name);
}

static const struct {
    const char *path, *name;
} menu[] = {
    {"/", "Overview"},         {"/queue", "Queue"},
    {"/sites", "Sites"},       {"/failures", "TLS failures"},
    {"/policies", "Policies"}, {"/exceptions", "Exceptions"},
    {"/shadow", "Shadow"},     {"/domains", "Own domains"},
    {"/logins", "Logins"},     {"/coming", "Coming"},
};

static void add_entry(struct buf *out, const char *here, const char *path, const char *name)
{
    buf_addf(out, "<li><a href=\"%s\"%s>%s</a></li>", path,
             strcmp(path, here) == 0 ? " aria-current=\"page\"" : "", name);
}

static void add_menu(struct buf *out, const char *here, bool fleet)
{
    buf_adds(out, "<nav aria-label=\"Pages\"><ul>");
    for (size_t i = 0; i < sizeof menu / sizeof *menu; i++)
        add_entry(out, here, menu[i].path, menu[i].name);
    if (fleet)
        add_entry(out, here, "/fleet", "Fleet");
    buf_adds(out, "</ul></nav>\n");
}

void html_begin(struct buf *out, const struct html_frame *frame)
{
    char now[40];
    clock_rfc3339(frame->now_ms, now);
    buf_adds(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                  "<meta name=\"color-scheme\" content=\"light dark\">\n");
    if (frame->refresh)
        buf_addf(out, "<meta http-equiv=\"refresh\" content=\"%u\">\n", frame->refresh);
    buf_adds(out, "<title>");
    html_text(out, frame->title);
    buf_adds(out, " · ");
    html_text(out, frame->hostname);
    buf_adds(out, "</title>\n<link rel=\"stylesheet\" href=\"/style.css\"></head><body>\n"
                  "<a class=\"skip\" href=\"#main\">Skip to the content</a>\n"
                  "<header><div class=\"wide\"><p class=\"brand\"><strong>Waxwing</strong> <span>");
    html_text(out, frame->hostname);
    buf_addf(out, "</span></p><p class=\"now\"><time datetime=\"%s\">%s</time></p></div>\n", now,
             now);
    buf_adds(out, "<div class=\"wide\">");
    add_menu(out, frame->here, frame->fleet);
    buf_adds(out, "</div></header>\n<main id=\"main\" class=\"wide\">\n");
}

void html_end(struct buf *out)
{
    buf_adds(out, "</main>\n<footer class=\"wide\"><p>Waxwing " WAXWING_VERSION
                  " · <a href=\"/metrics\">metrics</a> · <a href=\"/healthz\">healthz</a> · "
                  "<a href=\"/readyz\">readyz</a></p></footer>\n</body></html>\n");
}

void html_table_begin(struct html_table *t, struct buf *out, const char *caption,
                      const char *const *columns)
{
    *t = (struct html_table){.out = out, .columns = columns};
    buf_adds(out, "<div class=\"scroll\"><table role=\"table\">");
    if (caption)
        buf_addf(out, "<caption>%s</caption>", caption);
    buf_adds(out, "<thead role=\"rowgroup\"><tr role=\"row\">");
    for (; *columns; columns++)
        buf_addf(out, "<th role=\"columnheader\" scope=\"col\"%s>%s</th>",
                 (*columns)[0] == '#' ? " class=\"n\"" : "", *columns + ((*columns)[0] == '#'));
    buf_adds(out, "</tr></thead><tbody role=\"rowgroup\">\n");
}

void html_row(struct html_table *t, const char *css)
{
    buf_adds(t->out, "<tr role=\"row\"");
    if (css)
        buf_addf(t->out, " class=\"%s\"", css);
    buf_addc(t->out, '>');
    t->column = 0;
}

void html_cell(struct html_table *t)
{
    const char *name = t->columns[t->column];
    bool number = name[0] == '#';
    if (t->column++)
        buf_adds(t->out, "</td>");
    buf_addf(t->out, "<td role=\"cell\" data-label=\"%s\"%s>", name + number,
             number ? " class=\"n\"" : "");
}

void html_cell_text(struct html_table *t, const char *text)
{
    html_cell(t);
    html_text(t->out, text);
}

void html_row_end(struct html_table *t)
{
    buf_adds(t->out, "</td></tr>\n");
}

void html_table_end(struct html_table *t)
{
    buf_adds(t->out, "</tbody></table></div>\n");
}

const char *html_string(const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));
    return text ? text : "";
}

int64_t html_integer(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}
