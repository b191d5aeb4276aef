// SPDX-License-Identifier: ISC
// Reading long options.
#include "relay/command/options.h"

#include <arpa/inet.h>
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
    *out = (struct sockaddr_storage){0};
    struct sockaddr_in *in = (void *)out;
    struct sockaddr_in6 *in6 = (void *)out;
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
        out->ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
        out->ss_family = AF_INET6;
    return out->ss_family != AF_UNSPEC;
}
