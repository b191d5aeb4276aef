// SPDX-License-Identifier: ISC
// Loading the configuration for a subcommand.
#include "relay/command/config_file.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config/load.h"
#include "relay/base/mem.h"
#include "relay/command/command.h"

struct config *command_load_config(int *status)
{
    struct config_load load;
    config_load_init(&load);
    struct config *config = config_load_file(command_config_file, &load);
    fputs(buf_text(&load.errors), stderr);
    config_load_free(&load);
    *status = config ? EXIT_YES : EXIT_CONFIG;
    return config;
}

struct config *command_load_config_or_default(int *status)
{
    struct config_load load;
    if (strcmp(command_config_file, CONFIG_DEFAULT_FILE) != 0 ||
        access(command_config_file, F_OK) == 0)
        return command_load_config(status);
    config_load_init(&load);
    struct config *config = config_load_text(CONFIG_DEFAULT_FILE, "{}", 2, &load);
    fputs(buf_text(&load.errors), stderr);
    config_load_free(&load);
    *status = config ? EXIT_YES : EXIT_CONFIG;
    return config;
}

// The user that the relay runs as where root starts it: the configuration's. Where that cannot be read, the default
// user serves the default place alone; of another configuration nobody knows (NULL).
static char *relay_user(void)
{
    struct config_load load;
    config_load_init(&load);
    load.hostname = "localhost.localdomain"; // nobody asks for it, so the DNS is not asked either
    struct config *config = config_load_file(command_config_file, &load);
    bool usual = strcmp(command_config_file, CONFIG_DEFAULT_FILE) == 0;
    char *user = mem_dup(config ? config->user : usual ? "waxwing" : NULL);
    config_unref(config);
    config_load_free(&load);
    return user;
}

void command_give_to_relay(const char *command, const char *file)
{
    if (geteuid() != 0)
        return;
    char *user = relay_user();
    const struct passwd *pw = user ? getpwnam(user) : NULL;
    bool needless = pw ? pw->pw_uid == 0 // it reads what root wrote
                       : !user || access(command_config_file, F_OK) != 0; // no relay yet
    if (!needless && pw && chown(file, pw->pw_uid, pw->pw_gid) == 0)
        fprintf(stderr, "waxwing %s: %s belongs to %s now, the relay's user\n", command, file,
                user);
    else if (!needless)
        fprintf(stderr,
                "waxwing %s: the relay runs as %s and could not read %s; this gives it to it: "
                "chown %s %s\n",
                command, user, file, user, file);
    free(user);
}
