// SPDX-License-Identifier: ISC
// The configuration as subcommands other than `run` need it: loaded, errors told on stderr.
#ifndef RELAY_COMMAND_CONFIG_FILE_H
#define RELAY_COMMAND_CONFIG_FILE_H

#include "config/config.h"

// NULL after telling every error; *status is then EXIT_CONFIG. The caller owns one reference.
struct config *command_load_config(int *status);
// The same; where there is no file at the default place, all keys have their defaults.
struct config *command_load_config_or_default(int *status);

#endif
