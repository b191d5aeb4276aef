// SPDX-License-Identifier: ISC
// The configuration of a fleet: several relays that share what they know through one PostgreSQL database. Units and
// conventions as in config/config.h, which includes this.
#ifndef CONFIG_FLEET_H
#define CONFIG_FLEET_H

struct cfg_fleet {
    char *database;      // "postgresql://USER@HOST:PORT/NAME"; "": there is no fleet
    char *name;          // of this node
    char *password_file; // "": the server asks for none
    char *ca_file;       // that the server's certificate leads to
};

#endif
