// SPDX-License-Identifier: ISC
// Words of peers and of ours made fit for a report.
#include "relay/queue/dsn_inside.h"

#include <stdio.h>
#include <string.h>

#define LINE      76
#define FOLD_PATH "[its path is in the log]"

const char *dsn_reply(const struct dsn_row *row)
{
    return row->reply && row->reply[0] ? row->reply : row->why->reply;
}

void dsn_fold(struct buf *out, const char *text, size_t column, const char *indent)
{
    size_t in = strlen(indent);
    bool first = true;
    for (; *text; first = false) {
        size_t word = strcspn(text, " ");
        if (first) {
            // stands where the caller left off
        } else if (column > in && column + 1 + word > LINE) {
            buf_addf(out, "\r\n%s", indent);
            column = in;
        } else if (column > in) {
            buf_addc(out, ' ');
            column++;
        }
        for (size_t i = 0; i < word; i++) {
            if (column >= 4 * LINE) { // a word without end
                buf_addf(out, "\r\n%s", indent);
                column = in;
            }
            unsigned char c = (unsigned char)text[i];
            buf_addc(out, c > 32 && c < 127 ? (char)c : '?');
            column++;
        }
        text += word;
        text += strspn(text, " ");
    }
}

void dsn_sentence(const char *text, char *out, size_t n)
{
    size_t used = 0;
    for (const char *p = text; *p && used + 1 < n;) {
        size_t word = strcspn(p, " "), begin = strspn(p, "(\"'[<`"), end = word;
        while (end > begin && strchr(",:;.)\"'", p[end - 1]))
            end--;
        bool path = end > begin + 1 && p[begin] == '/';
        size_t shown = path ? begin : end;
        int got = snprintf(out + used, n - used, "%.*s%s%.*s%s", (int)shown, p,
                           path ? FOLD_PATH : "", (int)(word - end), p + end, p[word] ? " " : "");
        used += (size_t)got < n - used ? (size_t)got : n - used - 1;
        p += word + strspn(p + word, " ");
    }
    out[used] = 0;
}
