// SPDX-License-Identifier: ISC
// The DNS of a command line: an answer file, one server, what the configuration says, or the root.
#ifndef RELAY_COMMAND_DNS_H
#define RELAY_COMMAND_DNS_H

#include "dns/dns.h"

// `dns_file` (--dns-file) and `resolver` (--resolver IP:PORT) may be NULL. Without both the configuration
// is read; without a configuration at the default place resolution begins at the root. NULL: printed,
// *status is the exit status. `command` names it in what is printed.
struct dns *command_dns(const char *command, const char *dns_file, const char *resolver,
                        int *status);

#endif
