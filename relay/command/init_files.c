// SPDX-License-Identifier: ISC
// What `waxwing init` makes on disk: the user that the relay runs as, folders, keys, a certificate, a login. All
// of it is what the configuration names, and all of it stays as it is where it is there.
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/command/init.h"
#include "relay/setup/privileges.h"
#include "relay/setup/users.h"
#include "sign/key.h"
#include "tls/selfsigned.h"

#define CERTIFICATE_DAYS 365
#define PASSWORD_LENGTH  20 // of 32 letters: 100 bits

// The first line of the file; there are secrets with and without a line break at their end.
static int read_password(struct init *in, const char *file, struct why *why)
{
    struct buf text;
    struct span line, rest;
    buf_init(&text, 65536);
    int rc = init_read(file, &text, why);
    if (rc == 1)
        rc = why_set(why, WHY_OURS, "4.3.5", "the password file %s is not there", file);
    if (rc == 0) {
        if (!span_cut(buf_span(&text), '\n', &line, &rest))
            line = buf_span(&text);
        line = span_trim(line);
        if (line.n == 0 || line.n > USERS_PASSWORD || memchr(line.p, 0, line.n))
            rc = why_set(why, WHY_OURS, "4.3.5", "the password file %s holds no password", file);
        else
            in->password = span_dup(line);
    }
    if (text.data)
        explicit_bzero(text.data, text.len);
    buf_free(&text);
    return rc;
}

// Only the user that the package would have made: another name may be a slip.
static const struct passwd *make_user(const char *name)
{
    if (strcmp(name, "waxwing") != 0)
        return NULL;

    const char *const useradd[] = {"useradd",      "--system",
                                   "--user-group", "--no-create-home",
                                   "--home-dir",   "/var/lib/waxwing",
                                   "--shell",      "/usr/sbin/nologin",
                                   name,           NULL};
    if (init_run(useradd, NULL) != 0)
        return NULL;
    init_say("made", "the system user and group %s, whom the relay runs as", name);
    return getpwnam(name);
}

int init_user(struct init *in, struct why *why)
{
    const char *name = in->config->user;
    if (geteuid() != 0 || strcmp(name, "root") == 0)
        return 0;
    const struct passwd *pw = *name ? getpwnam(name) : NULL;
    if (!pw && *name)
        pw = make_user(name);
    if (!pw)
        return why_set(why, WHY_OURS, "4.3.0", "there is no user '%s' for the relay to run as%s",
                       name, strcmp(name, "waxwing") == 0 ? ", and useradd could not make it" : "");
    in->uid = pw->pw_uid;
    in->gid = pw->pw_gid;
    return 0;
}

// Parents are made for everybody to pass; only the last folder has this mode and owner.
static int make_folder(const char *path, mode_t mode, uid_t uid, gid_t gid, struct why *why)
{
    if (init_exists(path))
        return 0;
    char *part = mem_dup(path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(part, 0755) == 0)
            chmod(part, 0755); // whatever the umask says
        *slash = '/';
    }
    free(part);
    if (mkdir(path, mode) < 0 || chmod(path, mode) < 0 ||
        (uid != (uid_t)-1 && chown(path, uid, gid) < 0))
        return init_refuse(why, "make", path);
    init_say("made", "%s, mode %04o", path, (unsigned)mode);
    return 0;
}

// The folder of a secret file is the relay's alone where init makes it.
int init_make_folder_of(const struct init *in, const char *file, struct why *why)
{
    char *folder = init_folder_of(file);
    int rc = make_folder(folder, 0700, in->uid, in->gid, why);
    free(folder);
    return rc;
}

int init_folders(struct init *in, struct why *why)
{
    const struct config *c = in->config;
    char *folder = init_folder_of(in->file);
    int rc = make_folder(folder, 0755, (uid_t)-1, (gid_t)-1, why);
    free(folder);
    for (size_t d = 0; rc == 0 && d < c->ndkim; d++)
        for (size_t k = 0; rc == 0 && k < c->dkim[d].nkeys; k++)
            rc = init_make_folder_of(in, c->dkim[d].keys[k].file, why);
    if (rc == 0 && *c->arc.domain)
        rc = init_make_folder_of(in, c->arc.file, why);
    for (size_t i = 0; rc == 0 && i < c->ncertificates; i++)
        rc = init_make_folder_of(in, c->certificates[i].key, why);
    if (rc == 0)
        rc = make_folder(c->spool, 0700, in->uid, in->gid, why);
    if (rc == 0)
        rc = init_make_folder_of(in, c->state, why);
    return rc < 0 ? -1 : privileges_folders(c, why); // and the folder of the control socket
}

// The files belong to the relay's user, whoever makes them. It owns their folder as well, so that no link of its
// own making is followed here.
int init_give(const struct init *in, const char *path, struct why *why)
{
    return in->uid != (uid_t)-1 && lchown(path, in->uid, in->gid) < 0
               ? init_refuse(why, "give away", path)
               : 0;
}

static int is_there(const struct init_list *file, const char *what, struct why *why)
{
    if (!file->n || access(file->at[0], R_OK) == 0)
        return 0;
    return why_set(why, WHY_OURS, "4.3.5", "the %s %s cannot be read: %s", what, file->at[0],
                   strerror(errno));
}

int init_look_at_given(struct init *in, struct why *why)
{
    if (in->password_file.n && read_password(in, in->password_file.at[0], why) < 0)
        return -1;
    if (is_there(&in->tls_chain_file, "certificate", why) < 0 ||
        is_there(&in->tls_key_file, "certificate key", why) < 0 ||
        is_there(&in->smarthost_password_file, "password file", why) < 0)
        return -1;
    if (!in->dkim_key_file.n)
        return 0;
    struct sign_key *key = sign_key_load(in->dkim_key_file.at[0], why);
    sign_key_unref(key);
    return key ? 0 : -1;
}

static int make_certificate(struct init *in, const struct cfg_certificate *files, struct why *why)
{
    struct buf chain, key;
    buf_init(&chain, INIT_TEXT_MAX);
    buf_init(&key, INIT_TEXT_MAX);
    int rc = selfsigned_make(in->config->hostname, CERTIFICATE_DAYS, &chain, &key, why);
    if (rc == 0)
        rc = init_write(files->key, buf_span(&key), 0600, in->uid, in->gid, why);
    if (rc == 0)
        rc = init_write(files->chain, buf_span(&chain), 0644, in->uid, in->gid, why);
    if (key.data)
        explicit_bzero(key.data, key.len);
    buf_free(&chain);
    buf_free(&key);
    if (rc == 0) {
        in->certificate_made = true;
        init_say("made", "%s and its key: for %s, self-signed, %d days", files->chain,
                 in->config->hostname, CERTIFICATE_DAYS);
    }
    return rc;
}

int init_certificate(struct init *in, struct why *why)
{
    for (size_t i = 0; i < in->config->ncertificates; i++) {
        const struct cfg_certificate *files = &in->config->certificates[i];
        bool chain = init_exists(files->chain), key = init_exists(files->key);
        if (chain && key)
            init_say("kept", "%s and its key", files->chain);
        else if (chain || key)
            return why_set(why, WHY_OURS, "4.3.5",
                           "%s is there and %s is not: a certificate and its key belong together; "
                           "bring the other one, or move this one away and both are made",
                           chain ? files->chain : files->key, chain ? files->key : files->chain);
        else if (make_certificate(in, files, why) < 0)
            return -1;
    }
    return 0;
}

// Letters that nobody mistakes for another; 32 of them, so that each is five whole bits.
static void make_password(struct init *in)
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
    unsigned char bits[PASSWORD_LENGTH];
    random_bytes(bits, sizeof bits);
    in->password = mem_new(PASSWORD_LENGTH + 1);
    for (size_t i = 0; i < PASSWORD_LENGTH; i++)
        in->password[i] = letters[bits[i] % 32];
    in->password_made = true;
}

// Whether it is there. -1 with why: the file cannot be read.
static int has_login(const char *file, const char *name, const char *password, bool *same,
                     struct why *why)
{
    if (!init_exists(file))
        return 0;
    struct users *users = users_load(file, NULL, why);
    if (!users)
        return -1;
    int there = users_find(users, name) != NULL;
    *same = !password || users_check(users, name, password);
    users_unref(users);
    return there;
}

static int add_login(struct init *in, const char *name, struct why *why)
{
    char hash[USERS_HASH];
    if (!in->password)
        make_password(in);
    if (users_hash(in->password, hash, why) < 0 ||
        users_edit(in->config->users, USERS_ADD, name, hash, in->gid, why) != USERS_DONE ||
        init_give(in, in->config->users, why) < 0)
        return -1;
    init_say("made", "the login %s in %s", name, in->config->users);
    return 0;
}

int init_login(struct init *in, struct why *why)
{
    const char *name = init_login_name(in), *file = init_one(&in->password_file);
    bool same = true;
    if (!*in->config->users || !*name)
        return 0;
    int there = has_login(in->config->users, name, in->password, &same, why);
    if (there == 0)
        return add_login(in, name, why);
    if (there > 0)
        init_say("kept", "the login %s%s%s", name,
                 same ? "" : ", whose password is not the one of ", same ? "" : file);
    if (there > 0 && !same)
        init_say("", "this changes it: waxwing user passwd %s < %s", name, file);
    return there < 0 ? -1 : 0;
}

bool init_login_usable(const struct init *in)
{
    struct why why;
    bool same;
    return in->password ||
           has_login(in->config->users, init_login_name(in), NULL, &same, &why) == 0;
}
