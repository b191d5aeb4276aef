// SPDX-License-Identifier: ISC
// A message: who sent it, where each recipient stands, and which hosts it met in vain.
#include <string.h>
#include "relay/base/clock.h"
#include "relay/http/views.h"
#include "relay/trace/read.h"
#include "relay/trace/story.h"

static void head(const struct gather *g, struct buf *out, const json_t *row, size_t n)
{
    buf_adds(out, "<dl class=\"facts\"><dt>From</dt><dd>");
    views_address(out, g, html_string(row, "from"));
    buf_adds(out, "</dd><dt>Accepted</dt><dd>");
    html_when(out, html_integer(row, "created"), g->now_ms / 1000);
    buf_adds(out, "</dd><dt>Size</dt><dd>");
    html_number(out, (uint64_t)html_integer(row, "size"));
    buf_adds(out, " bytes</dd><dt>Recipients left</dt><dd>");
    html_number(out, n);
    buf_adds(out, "</dd></dl>\n");
}

// Failures of this message alone: a row a connection, newest first.
static size_t message_failures(struct buf *out, const json_t *rows, const char *id)
{
    static const char *const columns[] = {"When",     "Host",   "Address", "Failure",
                                          "Delivery", "Reason", NULL};
    struct html_table t;
    size_t i, n = 0;
    const json_t *row;
    json_array_foreach (rows, i, row) {
        if (strcmp(html_string(row, "id"), id) != 0)
            continue;
        if (!n++)
            html_table_begin(&t, out, NULL, columns);
        html_row(&t, NULL);
        html_cell(&t);
        html_moment(out, html_string(row, "time"));
        html_cell_text(&t, html_string(row, "host"));
        html_cell_text(&t, html_string(row, "ip"));
        html_cell_text(&t, html_string(row, "type"));
        html_cell(&t);
        views_consequence(out, row);
        html_cell_text(&t, html_string(row, "reason"));
        html_row_end(&t);
    }
    if (n)
        html_table_end(&t);
    return n;
}

// The story as `waxwing trace` tells it, in a table.
struct message_story {
    struct buf *out;
    struct html_table table;
};

static void message_on_line(const struct story_line *line, void *arg)
{
    struct message_story *m = arg;
    static const char *const moods[] = {
        [STORY_GOOD] = "tag good", [STORY_WAIT] = "tag wait", [STORY_BAD] = "tag bad"};
    char time[40] = "";
    if (line->at_ms)
        clock_rfc3339(line->at_ms, time);
    html_row(&m->table, NULL);
    html_cell(&m->table);
    html_moment(m->out, time);
    html_cell(&m->table);
    if (line->head[0] && line->mood != STORY_PLAIN)
        buf_addf(m->out, "<span class=\"%s\">", moods[line->mood]);
    html_text(m->out, line->head);
    if (line->head[0] && line->mood != STORY_PLAIN)
        buf_adds(m->out, "</span>");
    html_cell_text(&m->table, line->text);
    html_row_end(&m->table);
}

// Addresses are whole only for those who had to show a token.
static void message_story(const struct gather *g, struct buf *out, const char *id)
{
    static const char *const columns[] = {"When", "What", "Told", NULL};
    const struct config *config = g->relay->setup->config;
    struct message_story m = {.out = out};
    struct story_options options = {
        .mask = !config->http_token_file[0], .line = message_on_line, .arg = &m};
    size_t n = 0;
    struct why why;
    buf_adds(out, "<h2>The whole story</h2>\n");
    html_table_begin(&m.table, out, NULL, columns);
    struct story *story = story_new(&options);
    int rc = read_message(config->trace.directory, id, story_add, story, &n, &why);
    story_free(story);
    html_table_end(&m.table);
    if (rc < 0 || !n)
        buf_adds(out, "<p>No trace of it is kept (any more).</p>\n");
    buf_adds(out, "<p>Every reply whole, and every certificate: <code>waxwing trace ");
    html_text(out, id);
    buf_adds(out, " --full</code></p>\n<p>The log has each step as well:</p><pre>journalctl -u "
                  "waxwing --grep ");
    html_text(out, id);
    buf_adds(out, "</pre>\n");
}

static void message_render(struct gather *g, struct buf *out)
{
    const char *id = http_rest(g->call);
    const json_t *rows = json_object_get(g->answers[0], "rows");
    gather_begin(g, out, "Message", "/queue", 0);
    buf_adds(out, "<h1>Message <code>");
    html_text(out, id);
    buf_adds(out, "</code></h1>\n");
    if (gather_trouble(g, out, 0))
        return;
    if (json_array_size(rows)) {
        head(g, out, json_array_get(rows, 0), json_array_size(rows));
        buf_adds(out, "<h2>Recipients that wait</h2>\n");
        views_queue_recipients(g, out, rows);
    } else {
        g->status = 404;
        buf_adds(out,
                 "<p>The queue holds nothing of this message: it has ended, or there was none of "
                 "this name.</p>\n");
    }
    buf_adds(out, "<h2>TLS failures on its way</h2>\n");
    if (!message_failures(out, json_object_get(g->answers[1], "rows"), id))
        buf_addf(out, "<p>None among the newest %d.</p>\n", VIEWS_FAILURES);
    message_story(g, out, id);
}

void views_message(struct http_call *call, struct relay *relay)
{
    const char *id = http_rest(call);
    if (!id[0] || strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz") != strlen(id)) {
        http_answer_line(call, 404, "there is no such message");
        return;
    }
    json_t *const ask[] = {json_pack("{s:s,s:[s]}", "verb", "queue-list", "ids", id),
                           views_newest_failures()};
    gather(call, relay, message_render, ask, 2);
}
