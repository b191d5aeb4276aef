// SPDX-License-Identifier: ISC
// Modes of the files that hold secrets.
#include "relay/setup/rights.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "relay/base/mem.h"

static size_t setup_rights_look(const struct config *config, const char *what, const char *file,
                                struct buf *lines)
{
    struct stat st;
    if (!file[0] || stat(file, &st) < 0)
        return 0; // a missing file is told by the loader
    if (!(st.st_mode & 0007))
        return 1;
    const struct cfg_place *place = config_place(config, file);
    buf_adds(lines, place ? place->file : config->file);
    if (place)
        buf_addf(lines, ":%zu:%zu", place->line, place->column);
    buf_addf(lines, ": %s %s can be read by everybody (mode %03o); this mends it: chmod o= %s\n",
             what, file, (unsigned)(st.st_mode & 0777), file);
    return 1;
}

static size_t look_login(const struct config *config, const struct cfg_login *login,
                         struct buf *lines)
{
    const struct cfg_oauth *o = &login->oauth;
    return setup_rights_look(config, "password file", login->password_file, lines) +
           setup_rights_look(config, "client secret", o->client_secret_file, lines) +
           setup_rights_look(config, "refresh token", o->refresh_token_file, lines) +
           setup_rights_look(config, "service account", o->service_account_file, lines);
}

// Whoever writes there says which commands run.
static void look_writable(const char *what, const char *path, struct buf *lines)
{
    struct stat st;
    if (path[0] && stat(path, &st) == 0 && st.st_mode & 0002 && !(st.st_mode & S_ISVTX))
        buf_addf(lines,
                 "%s: %s can be written by everybody (mode %03o); this mends it: "
                 "chmod o-w %s\n",
                 path, what, (unsigned)(st.st_mode & 0777), path);
}

// A program, and the folders in which it could be replaced.
static void look_program(const struct strings *command, struct buf *lines)
{
    if (!command->n)
        return;
    char *path = mem_dup(command->at[0]);
    look_writable("the program that sees passwords", path, lines);
    for (char *slash = strrchr(path, '/'); slash && slash > path; slash = strrchr(path, '/')) {
        *slash = 0;
        look_writable("the folder of the program that sees passwords", path, lines);
    }
    free(path);
}

size_t rights_look(const struct config *config, struct buf *lines)
{
    for (size_t i = 0; i < config->nfiles; i++)
        look_writable("the configuration", config->files[i], lines);
    look_writable("the configuration", config->include, lines);
    look_program(&config->auth.command, lines);
    size_t n = setup_rights_look(config, "users file", config->users, lines);
    n += setup_rights_look(config, "password file", config->fleet.password_file, lines);
    for (size_t i = 0; i < config->ncertificates; i++)
        n += setup_rights_look(config, "certificate key", config->certificates[i].key, lines);
    for (size_t d = 0; d < config->ndkim; d++)
        for (size_t k = 0; k < config->dkim[d].nkeys; k++)
            n += setup_rights_look(config, "signing key", config->dkim[d].keys[k].file, lines);
    if (config->arc.domain[0])
        n += setup_rights_look(config, "signing key", config->arc.file, lines);
    for (size_t i = 0; i < config->delivery.ndestinations; i++) {
        const struct cfg_destination *d = &config->delivery.destinations[i];
        n += look_login(config, &d->login, lines);
        n += setup_rights_look(config, "certificate key", d->identity.key, lines);
    }
    for (size_t i = 0; i < config->nsenders; i++) {
        n += look_login(config, &config->senders[i].login, lines);
        n += setup_rights_look(config, "key file", config->senders[i].srs.key_file, lines);
        n += setup_rights_look(config, "key file", config->senders[i].verp.key_file, lines);
    }
    return n;
}
