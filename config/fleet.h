// SPDX-License-Identifier: ISC
// The configuration of a fleet: several relays that share what they know through one PostgreSQL database. Units and
// conventions as in config/config.h, which includes this.
#ifndef CONFIG_FLEET_H
#define CONFIG_FLEET_H

#include <stdbool.h>
#include <stdint.h>

enum fleet_spool { FLEET_SPOOL_OFF, FLEET_SPOOL_REQUIRED, FLEET_SPOOL_PREFERRED };

struct cfg_fleet {
    char *database;      // "postgresql://USER@HOST:PORT/NAME"; "": there is no fleet
    char *name;          // of this node
    char *password_file; // "": the server asks for none
    char *ca_file;       // that the server's certificate leads to
    int spool;           // enum fleet_spool: whether 250 means the database, too
    int64_t lease;       // ms that this node may act for without saying that it lives
};

#endif
