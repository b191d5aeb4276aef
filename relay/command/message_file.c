// SPDX-License-Identifier: ISC
// One message from a file or standard input, read in pieces.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "relay/command/command.h"
#include "relay/command/message_verbs.h"

#define PIECE      65536
#define MAX_HEADER 4194304 // bytes of a header that this command reads

static int message_file_complain(const char *path, const char *what)
{
    fprintf(stderr, "waxwing message: %s: %s\n", path, what);
    return EXIT_DATA;
}

// How far the header reaches, its empty line included; 0: further than `start`. *line: where the line
// begins at which the next look goes on.
static size_t header_end(struct span start, size_t *line)
{
    for (;;) {
        struct span rest = span_from(start, *line);
        ptrdiff_t lf = span_find(rest, '\n');
        if (lf < 0)
            return 0;
        *line += (size_t)lf + 1;
        if (lf == 0 || (lf == 1 && rest.p[0] == '\r'))
            return *line;
    }
}

static int read_header(struct message_file *f, const char *path)
{
    size_t line = 0;
    unsigned char *room;
    while (!header_end(buf_span(&f->start), &line)) {
        if (buf_reserve(&f->start, PIECE, &room) < 0)
            return message_file_complain(path, "its header is too large");
        size_t n = fread(room, 1, PIECE, f->in);
        if (n == 0 && ferror(f->in))
            return message_file_complain(path, strerror(errno));
        if (n == 0)
            break;
        f->start.len += n;
    }
    return EXIT_YES;
}

// A pipe becomes a temporary file.
static int make_seekable(struct message_file *f, const char *path)
{
    if (fseek(f->in, 0, SEEK_CUR) == 0)
        return EXIT_YES;
    FILE *copy = tmpfile();
    char piece[4096];
    size_t n = 0;
    while (copy && (n = fread(piece, 1, sizeof piece, f->in)) > 0 && fwrite(piece, 1, n, copy) == n)
        ;
    bool bad = !copy || ferror(f->in) || ferror(copy) || fseek(copy, 0, SEEK_SET) != 0;
    if (f->in != stdin)
        fclose(f->in);
    f->in = copy;
    return bad ? message_file_complain(path, strerror(errno)) : EXIT_YES;
}

int message_file_open(struct message_file *f, const char *path, bool keep)
{
    *f = (struct message_file){0};
    buf_init(&f->start, MAX_HEADER);
    f->in = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
    if (!f->in)
        return message_file_complain(path, strerror(errno));
    int rc = keep ? make_seekable(f, path) : EXIT_YES;
    rc = rc == EXIT_YES ? read_header(f, path) : rc;
    if (rc != EXIT_YES)
        goto bad;
    struct why why;
    size_t used;
    if (header_parse(&f->header, buf_span(&f->start), &used, &why) < 0) {
        rc = message_file_complain(path, why.text);
        goto bad;
    }
    ptrdiff_t lf = span_find(buf_span(&f->start), '\n');
    f->crlf = lf > 0 && f->start.data[lf - 1] == '\r';
    return EXIT_YES;
bad:
    message_file_close(f);
    return rc;
}

int message_file_hash(struct message_file *f, struct body_hashes *hashes)
{
    struct span first = span_from(buf_span(&f->start), f->header.bytes.n);
    body_hashes_feed(hashes, first.p, first.n);
    static char piece[PIECE];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, f->in)) > 0)
        body_hashes_feed(hashes, piece, n);
    body_hashes_finish(hashes);
    if (!ferror(f->in))
        return 0;
    message_file_complain("read error", strerror(errno));
    return -1;
}

int message_file_copy(struct message_file *f, const bool *left_out, FILE *out)
{
    for (size_t i = 0; i < f->header.n; i++) {
        struct span whole = f->header.fields[i].whole;
        if (!left_out || !left_out[i])
            fwrite(whole.p, 1, whole.n, out);
    }
    size_t fields = 0;
    if (f->header.n) {
        struct span last = f->header.fields[f->header.n - 1].whole;
        fields = (size_t)(last.p + last.n - f->header.bytes.p);
    }
    struct span rest = span_from(buf_span(&f->start), fields);
    fwrite(rest.p, 1, rest.n, out);
    static char piece[PIECE];
    size_t n;
    if (fseek(f->in, (long)f->start.len, SEEK_SET) < 0) {
        message_file_complain("read error", strerror(errno));
        return -1;
    }
    while ((n = fread(piece, 1, sizeof piece, f->in)) > 0)
        if (fwrite(piece, 1, n, out) != n)
            break;
    return ferror(f->in) || ferror(out) ? -1 : 0;
}

void message_file_field(const struct message_file *f, struct span field, FILE *out)
{
    for (size_t i = 0; i < field.n; i++)
        if (f->crlf || field.p[i] != '\r')
            fputc(field.p[i], out);
}

void message_file_close(struct message_file *f)
{
    header_free(&f->header);
    buf_free(&f->start);
    if (f->in && f->in != stdin)
        fclose(f->in);
    f->in = NULL;
}
