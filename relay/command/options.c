// SPDX-License-Identifier: ISC
// Reading long options.
#include "relay/command/options.h"

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
