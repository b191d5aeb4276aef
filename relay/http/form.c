// SPDX-License-Identifier: ISC
#include "relay/http/form.h"

#include <string.h>
#include "relay/http/html.h"

void form_begin(struct buf *out, const char *path, const char *label)
{
    buf_addf(out, "<form action=\"%s\" method=\"get\" role=\"search\" aria-label=\"%s\">\n", path,
             label);
}

static void attribute(struct buf *out, const char *name, const char *value)
{
    buf_addf(out, " %s=\"", name);
    html_text(out, value);
    buf_addc(out, '"');
}

void form_text(struct buf *out, const char *name, const char *label, const char *value,
               const char *hint)
{
    buf_addf(out, "<label>%s<input name=\"%s\" maxlength=\"%d\" autocapitalize=\"none\"", label,
             name, FORM_TEXT);
    attribute(out, "placeholder", hint);
    attribute(out, "value", value);
    buf_adds(out, "></label>\n");
}

void form_day(struct buf *out, const char *name, const char *label, const char *value)
{
    buf_addf(out, "<label>%s<input type=\"date\" name=\"%s\"", label, name);
    attribute(out, "value", value);
    buf_adds(out, "></label>\n");
}

void form_choice_begin(struct buf *out, const char *name, const char *label, const char *chosen)
{
    buf_addf(out, "<label>%s<select name=\"%s\"%s>", label, name,
             chosen[0] ? " class=\"chosen\"" : "");
}

void form_choice(struct buf *out, const char *word, const char *text, const char *chosen)
{
    buf_adds(out, "<option");
    attribute(out, "value", word);
    buf_adds(out, strcmp(word, chosen) == 0 ? " selected>" : ">");
    html_text(out, text ? text : word);
    buf_adds(out, "</option>");
}

void form_choice_end(struct buf *out)
{
    buf_adds(out, "</select></label>\n");
}

void form_end(struct buf *out, const char *clear)
{
    buf_adds(out, "<p class=\"do\"><button>Show</button>");
    if (clear)
        buf_addf(out, " <a href=\"%s\">Show all</a>", clear);
    buf_adds(out, "</p></form>\n");
}
