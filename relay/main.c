// SPDX-License-Identifier: ISC
// The program: finds the subcommand in its table and runs it. Decides nothing else.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "relay/command/command.h"

// What could not be written is an error of every command: a script must not take half an answer for one.
static int finish(int status)
{
    bool lost = fflush(stdout) != 0 || ferror(stdout);
    if (!lost)
        return status;
    fprintf(stderr, "waxwing: standard output cannot be written: %s\n", strerror(errno));
    return status == EXIT_YES ? EXIT_OUTPUT : status;
}

static int run(int argc, char **argv)
{
    bool json = false;
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        int took = command_take_config(argc - i, argv + i);
        if (took < 0)
            return EXIT_USAGE;
        if (took > 0) {
            i += took - 1;
        } else if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            command_list(stdout);
            return EXIT_YES;
        } else if (strcmp(argv[i], "--version") == 0) {
            puts("waxwing " WAXWING_VERSION);
            return EXIT_YES;
        } else {
            fprintf(stderr, "waxwing: unknown option '%s'\n", argv[i]);
            command_list(stderr);
            return EXIT_USAGE;
        }
    }
    if (i == argc) {
        command_list(stderr);
        return EXIT_USAGE;
    }
    return command_main(argc - i, argv + i, json);
}

// Where a standard stream is closed, the next file that is opened would take its place: output and log lines would
// go into the spool. Output that goes nowhere stays an error, the log does not.
static void keep_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_RDWR);
}

int main(int argc, char **argv)
{
    int status;
    keep_standard_streams();
    if (command_called(argc, argv, &status))
        return finish(status);
    return finish(run(argc, argv));
}
