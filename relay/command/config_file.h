// SPDX-License-Identifier: ISC
// The configuration as subcommands other than `run` need it: loaded, errors told on stderr.
#ifndef RELAY_COMMAND_CONFIG_FILE_H
#define RELAY_COMMAND_CONFIG_FILE_H

#include "config/config.h"

// NULL after telling every error; *status is then EXIT_CONFIG. The caller owns one reference.
struct config *command_load_config(int *status);
// The same; where there is no file at the default place, all keys have their defaults.
struct config *command_load_config_or_default(int *status);
// The user that the relay runs as where root starts it, for the caller to free: the configuration's, or the
// default where there is none that can be read.
char *command_relay_user(void);
// A file that root made for the relay to read becomes its user's; where that fails, what does it is printed.
// Either is said on stderr. Does nothing where the process is not root.
void command_give_to_relay(const char *command, const char *file);

#endif
