// SPDX-License-Identifier: ISC
// Files of addresses and domains, one a line; # begins a comment.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/suppress/inside.h"

#define FILE_LINE 1024 // bytes of a line; a longer one is none

struct file_lines {
    const char *path;
    char *reason;
    size_t number, bad; // lines; the first that is none
};

static bool file_take_line(struct suppress_table *out, struct file_lines *f, char *text)
{
    char name[SUPPRESS_NAME];
    struct why why;
    f->number++;
    text[strcspn(text, "#\r\n")] = 0;
    struct span line = span_trim(span_text(text));
    if (!line.n)
        return true;
    if (suppress_name(line, name, &why) < 0) {
        f->bad = f->bad ? f->bad : f->number;
        return true;
    }
    const struct suppressed_row row = {
        .sender = "", .address = name, .origin = SUPPRESS_FROM_FILE, .reason = f->reason};
    return suppress_table_put(out, &row, SUPPRESS_FILE, 0);
}

static bool file_read(struct suppress_table *out, const char *path)
{
    char line[FILE_LINE];
    FILE *f = fopen(path, "re");
    if (!f) {
        log_alarm("suppress", REASON_SUPPRESS_FILE,
                  "%s cannot be read: %s; what it had still counts", path, strerror(errno));
        return false;
    }
    const char *slash = strrchr(path, '/');
    struct file_lines lines = {.path = path, .reason = mem_printf("in the list %s", slash + 1)};
    bool room = true;
    while (room && fgets(line, sizeof line, f))
        room = file_take_line(out, &lines, line);
    if (!room)
        log_alarm("suppress", REASON_SUPPRESS_FILE,
                  "%s has more than %d addresses: the rest does not count", path, SUPPRESS_FILE);
    if (lines.bad)
        log_alarm("suppress", REASON_SUPPRESS_FILE, "%s:%zu is no address and no domain", path,
                  lines.bad);
    free(lines.reason);
    fclose(f);
    return true;
}

bool suppress_read_files(struct suppress_table *out, const struct strings *files)
{
    bool all = true;
    for (size_t i = 0; i < files->n; i++)
        all = file_read(out, files->at[i]) && all;
    return all;
}
