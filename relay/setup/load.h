// SPDX-License-Identifier: ISC
// From the configuration file to a setup, reading every file as the user that the relay runs as: what only
// root can read would be lost at the first reload.
#ifndef RELAY_SETUP_LOAD_H
#define RELAY_SETUP_LOAD_H

#include <stdbool.h>
#include "relay/setup/setup.h"

// NULL: load->errors says why. `as_user`: where the process is root it takes on the effective user and
// groups of `user` while it reads; for the time before there are threads, since they would change with it.
struct setup *setup_load(const char *file, bool as_user, struct config_load *load);

#endif
