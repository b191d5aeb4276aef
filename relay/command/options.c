// SPDX-License-Identifier: ISC
// Reading long options.
#include "relay/command/options.h"

#include <assert.h>
#include "relay/base/address.h"
#include "relay/base/clock.h"
#include "relay/base/span.h"
#include "relay/command/command.h"

int command_options(const char *command, int argc, char **argv, const struct option *options,
                    bool (*set)(void *arg, int option, const char *value), void *arg)
{
    int option, which = 0;
    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":", options, &which)) != -1) {
        if (option == '?' || option == ':')
            return command_usage_error(command, "%s '%s'",
                                       option == ':' ? "no value for" : "unknown option",
                                       argv[optind - 1]);
        if (!set(arg, option, optarg))
            return command_usage_error(command, "--%s cannot be '%s'", options[which].name, optarg);
    }
    return EXIT_YES;
}

struct table {
    const struct option_row *rows;
    void *options;
};

static bool options_on_row(void *arg, int option, const char *value)
{
    const struct table *t = arg;
    const struct option_row *row = &t->rows[option - 1];
    char *field = (char *)t->options + row->at;
    switch (row->kind) {
    case OPTION_TEXT:
        *(const char **)(void *)field = value;
        return true;
    case OPTION_FLAG:
        *(bool *)(void *)field = true;
        return true;
    case OPTION_CLOCK:
        return command_set_clock(value);
    case OPTION_CALL:
        return row->set(t->options, value);
    }
    return false;
}

int command_table(const char *command, int argc, char **argv, const struct option_row *rows,
                  void *options)
{
    struct option list[OPTION_ROWS] = {{0}};
    struct table table = {rows, options};
    for (int i = 0; rows[i].name; i++) {
        assert(i + 1 < OPTION_ROWS);
        list[i] = (struct option){rows[i].name,
                                  rows[i].kind == OPTION_FLAG ? no_argument : required_argument,
                                  NULL, i + 1};
    }
    return command_options(command, argc, argv, list, options_on_row, &table);
}

bool command_set_clock(const char *epoch)
{
    uint64_t seconds;
    if (!span_number(span_text(epoch), INT64_MAX / 1000, &seconds))
        return false;
    clock_fix((int64_t)seconds * 1000);
    return true;
}

bool command_read_address(const char *text, struct sockaddr_storage *out)
{
    return address_read(span_text(text), 0, out);
}
