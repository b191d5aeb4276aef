// SPDX-License-Identifier: ISC
// Opens the DNS for a command.
#include "relay/command/dns.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "config/load.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"

struct dns *command_dns(const char *command, const char *dns_file, const char *resolver,
                        int *status)
{
    bool named = strcmp(command_config_file, CONFIG_DEFAULT_FILE) != 0;
    struct config *config = NULL;
    *status = EXIT_YES;
    if (!dns_file && !resolver && (named || access(command_config_file, F_OK) == 0) &&
        !(config = command_load_config(status)))
        return NULL;
    struct dns_options options = {
        .config = config ? &config->dns : NULL, .answers_file = dns_file, .resolver = resolver};
    struct why why;
    struct dns *dns = dns_open(&options, &why);
    if (!dns) {
        fprintf(stderr, "waxwing %s: %s\n", command, why.text);
        *status = EXIT_CONFIG;
    }
    config_unref(config);
    return dns;
}
