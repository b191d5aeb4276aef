// SPDX-License-Identifier: ISC
// The configuration is read twice: once for the name of the user, then as that user.
#include "relay/setup/load.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/setup/privileges.h"

// The user that the file names. NULL: the second reading says what is wrong with it.
static char *find_user(const char *file)
{
    struct config_load load;
    config_load_init(&load);
    load.hostname = "localhost.localdomain"; // nobody asks for it, so the DNS is not asked either
    struct config *config = config_load_file(file, &load);
    char *user = config ? mem_dup(config->user) : NULL;
    config_unref(config);
    config_load_free(&load);
    return user;
}

struct setup *setup_load(const char *file, bool as_user, struct config_load *load)
{
    struct why why;
    char *user = as_user ? find_user(file) : NULL;
    struct setup *setup = NULL;
    struct config *config = NULL;
    if (user && privileges_borrow(user, &why) < 0) {
        buf_addf(&load->errors, "%s: %s\n", file, why.text);
    } else {
        load->check_files = true;
        load->as_user = privileges_borrowed() ? user : NULL;
        config = config_load_file(file, load);
        setup = config ? setup_new(config, load) : NULL;
        load->as_user = NULL;
    }
    if (as_user && user && getuid() == 0 && strcmp(user, "root") == 0)
        buf_addf(&load->warnings, "%s: user: the relay stays root, because the file says so\n",
                 file);
    privileges_return();
    config_unref(config);
    free(user);
    return setup;
}
