// SPDX-License-Identifier: ISC
// The arguments of sendmail, as forty years of programs write them: clusters of letters, values attached or apart.
// What only meant something to sendmail's own queue and configuration is taken and has no effect.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/exit.h"
#include "relay/base/mem.h"
#include "relay/command/sendmail.h"

#define WITH_VALUE "ABCDFLMNOQRVXbefhopqr" // letters that have a value
#define IGNORED    "GUmnvx"                // letters without one, that mean nothing here
#define UNCHECKED  "dq"                    // the value may be missing; then none is taken

__attribute__((format(printf, 1, 2))) static int sendmail_bad(const char *format, ...)
{
    va_list args;
    fputs("sendmail: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("; 'waxwing sendmail --help' lists what is known\n", stderr);
    return EXIT_USAGE;
}

static int set_mode(const char *value, struct sendmail *out)
{
    switch (value[1] ? 0 : value[0]) {
    case 'm':
        out->mode = SENDMAIL_DELIVER;
        return EXIT_YES;
    case 's':
        out->mode = SENDMAIL_SMTP;
        return EXIT_YES;
    case 'p':
        out->mode = SENDMAIL_QUEUE;
        return EXIT_YES;
    case 'i':
        out->mode = SENDMAIL_ALIASES;
        return EXIT_YES;
    default:
        return sendmail_bad("-b%s is not served here: the relay is started by 'waxwing run'",
                            value);
    }
}

static bool is_one_of(const char *value, const char *words)
{
    size_t n = strlen(value);
    for (const char *at = words; n && (at = strcasestr(at, value)); at += n)
        if ((at == words || at[-1] == ' ') && (!at[n] || at[n] == ' '))
            return true;
    return false;
}

static bool is_notify(const char *value)
{
    struct span rest = span_text(value), word;
    if (span_is_nocase(rest, "never"))
        return true;
    bool more = true;
    while (more) {
        more = span_cut(rest, ',', &word, &rest);
        if (!more)
            word = rest;
        if (!span_is_nocase(word, "success") && !span_is_nocase(word, "failure") &&
            !span_is_nocase(word, "delay"))
            return false;
    }
    return true;
}

static int set_value(char letter, const char *value, struct sendmail *out)
{
    switch (letter) {
    case 'f':
    case 'r':
        out->from = value;
        return EXIT_YES;
    case 'F':
        out->name = value;
        return EXIT_YES;
    case 'b':
        return set_mode(value, out);
    case 'o':
        out->dots |= strcmp(value, "i") == 0;
        return EXIT_YES;
    case 'q':
        out->mode = SENDMAIL_FLUSH;
        return EXIT_YES;
    case 'B':
        out->body = value;
        return is_one_of(value, "7BIT 8BITMIME")
                   ? EXIT_YES
                   : sendmail_bad("-B %s: 7BIT or 8BITMIME is meant", value);
    case 'N':
        out->notify = value;
        return is_notify(value)
                   ? EXIT_YES
                   : sendmail_bad("-N %s: never, or some of success,failure,delay is meant", value);
    case 'R':
        out->ret = value;
        return is_one_of(value, "full hdrs") ? EXIT_YES
                                             : sendmail_bad("-R %s: full or hdrs is meant", value);
    case 'V':
        out->envid = value;
        return strlen(value) <= 100 ? EXIT_YES : sendmail_bad("-V: longer than 100 characters");
    default:
        return EXIT_YES; // it has a value, and no meaning here
    }
}

static int set_flag(char letter, struct sendmail *out)
{
    const char text[2] = {letter, 0};
    switch (letter) {
    case 't':
        out->from_header = true;
        return EXIT_YES;
    case 'i':
        out->dots = true;
        return EXIT_YES;
    case 'I':
        out->mode = SENDMAIL_ALIASES;
        return EXIT_YES;
    default:
        return strchr(IGNORED, letter) ? EXIT_YES : sendmail_bad("unknown option -%s", text);
    }
}

// One argument that begins with "-"; *i moves on where its value is the next one.
static int read_cluster(int argc, char **argv, int *i, struct sendmail *out)
{
    for (const char *c = argv[*i] + 1; *c; c++) {
        int status;
        if (!strchr(WITH_VALUE UNCHECKED, *c)) {
            status = set_flag(*c, out);
            if (status != EXIT_YES)
                return status;
            continue;
        }
        const char text[2] = {*c, 0};
        if (c[1] || strchr(UNCHECKED, *c))
            return set_value(*c, c + 1, out);
        if (*i + 1 >= argc)
            return sendmail_bad("-%s needs a value", text);
        return set_value(*c, argv[++*i], out);
    }
    return EXIT_YES;
}

static int read_long(int argc, char **argv, int *i, struct sendmail *out)
{
    const char *text = argv[*i];
    if (strncmp(text, "--socket=", 9) == 0) {
        out->socket = text + 9;
        return EXIT_YES;
    }
    if (strcmp(text, "--socket") != 0 || *i + 1 >= argc)
        return sendmail_bad("unknown option %s", text);
    out->socket = argv[++*i];
    return EXIT_YES;
}

int sendmail_read_options(const char *called, int argc, char **argv, struct sendmail *out)
{
    *out = (struct sendmail){.socket = SENDMAIL_SOCKET};
    if (strcmp(called, "mailq") == 0)
        out->mode = SENDMAIL_QUEUE;
    if (strcmp(called, "newaliases") == 0)
        out->mode = SENDMAIL_ALIASES;
    bool options = true;
    int status = EXIT_YES;
    for (int i = 1; i < argc && status == EXIT_YES; i++) {
        if (!options || argv[i][0] != '-' || !argv[i][1])
            sendmail_add(&out->to, mem_dup(argv[i]));
        else if (strcmp(argv[i], "--") == 0)
            options = false;
        else if (argv[i][1] == '-')
            status = read_long(argc, argv, &i, out);
        else
            status = read_cluster(argc, argv, &i, out);
    }
    return status;
}

void sendmail_free(struct sendmail *mail)
{
    sendmail_forget(&mail->to);
}
