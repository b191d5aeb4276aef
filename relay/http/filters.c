// SPDX-License-Identifier: ISC
// Filters (relay/milter/book.h) in numbers, and which of them are away.
#include "relay/http/metrics.h"
#include "relay/http/series.h"
#include "relay/milter/book.h"

void metrics_print_filters(const struct metrics *m, struct buf *out)
{
    struct milter_row rows[MILTER_BOOK_ROWS];
    size_t n = milter_book_read(m->milters, rows);
    series_describe(out, "waxwing_milter_messages_total", "counter",
                    "Messages by the filter that saw them and what it came to.");
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < MILTER_NOTED; k++)
            series_value(out, "waxwing_milter_messages_total", "milter", rows[i].name, "result",
                         milter_noted_word((enum milter_noted)k), rows[i].n[k]);
    series_describe(out, "waxwing_milter_up", "gauge",
                    "1 where the filter answered the last time it was asked.");
    for (size_t i = 0; i < n; i++)
        series_value(out, "waxwing_milter_up", "milter", rows[i].name, NULL, NULL,
                     rows[i].away_ms == 0);
}

void metrics_filters_away(const struct metrics *m,
                          void (*each)(const char *name, const char *reason, void *arg), void *arg)
{
    struct milter_row rows[MILTER_BOOK_ROWS];
    size_t n = milter_book_read(m->milters, rows);
    for (size_t i = 0; i < n; i++)
        if (rows[i].away_ms)
            each(rows[i].name, rows[i].reason, arg);
}
