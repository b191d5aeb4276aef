// SPDX-License-Identifier: ISC
// Makes waxwing-reasons(7) while the program is built: copies the page named on the command line to standard output
// and puts a chapter for each reason of the catalogue where it says @REASONS@.
#include <stdio.h>
#include <string.h>
#include "relay/base/buf.h"
#include "relay/base/reasons.h"

// Escapes what roff reads as its own.
static void put(const char *text)
{
    for (size_t i = 0; text[i]; i++)
        if (text[i] == '\\')
            fputs("\\e", stdout);
        else if (text[i] == '-')
            fputs("\\-", stdout);
        else if (text[i] == '"')
            fputs("\\(dq", stdout);
        else if (i == 0 && (text[i] == '.' || text[i] == '\''))
            printf("\\&%c", text[i]);
        else
            putchar(text[i]);
}

// mdoc wants a sentence a line.
static void paragraph(const char *text)
{
    char line[1024];
    size_t n = 0;
    for (; *text; text++) {
        line[n++] = *text;
        bool ends = (*text == '.' || *text == '?') && text[1] == ' ';
        if (!ends && text[1] && n < sizeof line - 1)
            continue;
        line[n] = 0;
        put(line);
        putchar('\n');
        n = 0;
        if (ends)
            text++;
    }
}

static void chapter(const struct reason_row *row)
{
    char sentence[512];
    reason_sentence(row, sentence, sizeof sentence);
    printf(".It Sy ");
    put(row->name);
    printf("\n.Dq ");
    put(sentence);
    printf("\n.br\n");
    paragraph(row->means);
    printf(".br\nWho must act: ");
    put(act_text(row->act));
    printf(" (%s).\n.br\n", act_word(row->act));
    paragraph(row->advice);
    printf("(%s, %s%s%s)\n", row->status, scope_word(row->scope), row->tls ? ", " : "",
           why_tls_word(row->tls));
}

int main(int argc, char **argv)
{
    FILE *page = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (!page) {
        fputs("usage: reasons PAGE\n", stderr);
        return 1;
    }
    char line[1024];
    int found = 0;
    while (fgets(line, sizeof line, page)) {
        if (strcmp(line, "@REASONS@\n") != 0) {
            fputs(line, stdout);
            continue;
        }
        for (size_t i = 1; i < reason_count(); i++)
            chapter(reason_row((enum reason)i));
        found++;
    }
    fclose(page);
    return found == 1 && fflush(stdout) == 0 ? 0 : 1;
}
