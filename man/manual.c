// SPDX-License-Identifier: ISC
// Makes waxwing.yaml(5) while the program is built: copies the page named on the command line to
// standard output and puts the paragraphs of the table of keys where it says @KEYS@.
#include <stdio.h>
#include <string.h>
#include "config/load.h"

int main(int argc, char **argv)
{
    FILE *page = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (!page) {
        fputs("usage: manual PAGE\n", stderr);
        return 1;
    }
    struct buf keys;
    buf_init(&keys, 1048576);
    config_manual(&keys);
    char line[1024];
    int found = 0;
    while (fgets(line, sizeof line, page)) {
        bool here = strcmp(line, "@KEYS@\n") == 0;
        fputs(here ? buf_text(&keys) : line, stdout);
        found += here;
    }
    fclose(page);
    buf_free(&keys);
    return found == 1 && fflush(stdout) == 0 ? 0 : 1;
}
