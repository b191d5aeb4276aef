// SPDX-License-Identifier: ISC
// `waxwing sendmail`, and the names sendmail, mailq and newaliases that the program may be called by.
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "relay/command/command.h"
#include "relay/command/sendmail.h"

static int list_queue(void)
{
    char *argv[] = {(char *)"queue", (char *)"list", NULL};
    return command_queue(2, argv);
}

static int run_as(const char *called, int argc, char **argv)
{
    struct sendmail mail;
    int status = sendmail_read_options(called, argc, argv, &mail);
    if (status == EXIT_YES)
        switch (mail.mode) {
        case SENDMAIL_DELIVER:
            status = sendmail_send(&mail, STDIN_FILENO);
            break;
        case SENDMAIL_SMTP:
            status = sendmail_smtp(&mail, STDIN_FILENO, STDOUT_FILENO);
            break;
        case SENDMAIL_QUEUE:
            status = list_queue();
            break;
        case SENDMAIL_ALIASES:
            puts("There are no local mailboxes and no aliases here: nothing to rebuild. Mail to "
                 "root goes to the postmaster of the configuration.");
            break;
        case SENDMAIL_FLUSH:
            puts("The relay retries by itself; 'waxwing queue retry' makes it try now.");
            break;
        }
    sendmail_free(&mail);
    return status;
}

int command_sendmail(int argc, char **argv)
{
    return run_as("sendmail", argc, argv);
}

bool command_called(int argc, char **argv, int *status)
{
    static const char *const names[] = {"sendmail", "mailq", "newaliases"};
    const char *slash = argc ? strrchr(argv[0], '/') : NULL;
    const char *name = slash ? slash + 1 : argc ? argv[0] : "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *status = run_as(name, argc, argv);
            return true;
        }
    return false;
}
