// SPDX-License-Identifier: ISC
// `waxwing init`: what its files share. The answers come from options, the environment, an earlier init and the
// terminal; they become a configuration, and everything else is made from that one, so that a configuration which
// somebody has edited is served as well.
#ifndef RELAY_COMMAND_INIT_H
#define RELAY_COMMAND_INIT_H

#include <stdbool.h>
#include <sys/types.h>
#include "config/config.h"
#include "relay/base/buf.h"
#include "relay/base/why.h"

#define INIT_TEXT_MAX 262144 // bytes of any file that init writes

struct init_list {
    char **at;
    size_t n;
};

// One value; several; several that blanks or commas may part.
enum init_values { INIT_ONE, INIT_SEVERAL, INIT_WORDS };

// One name for the option, the variable (WAXWING_ and the name in capitals) and the line in the file.
struct init_field {
    const char *name;
    size_t offset; // of the struct init_list in struct init
    enum init_values values;
    bool joined;          // comes to what an earlier init was told, and does not replace it
    bool kept;            // remembered in the configuration for the next init
    const char *question; // NULL: not asked
};
extern const struct init_field init_fields[]; // ends with a name of NULL

struct init {
    // The answers; a list that takes one value only has that one.
    struct init_list domain, hostname, postmaster, listen, network, user, password_file, smarthost,
        smarthost_user, smarthost_password_file, selector, dkim_key_file, tls_chain_file,
        tls_key_file, dns_server, log_format, http, spool, state, run_as, directory;
    struct init_list former_selector; // of an earlier init, where another was named now
    bool yes, offline, certbot, postfix, from_env;

    char *file;            // the configuration
    bool system_places;    // spool, state and socket where the package has them
    bool named_keys;       // keys that an earlier init named one by one are there, and stay so
    bool ours;             // the configuration is as an init left it, or will be
    bool given;            // an option or variable said something about the configuration
    struct config *config; // what everything is made from
    uid_t uid;             // of the relay; -1: this process's
    gid_t gid;
    char *password; // of the login, where it was made or given now; NULL: not known
    bool password_made, certificate_made;
};

void init_add(struct init_list *list, const char *value);
const char *init_one(const struct init_list *list); // the first value, or ""
const char *init_login_name(const struct init *in); // the login that was named last
struct init_list *init_list_of(struct init *in, const struct init_field *field);
// The folder that holds a file, for the caller to free.
char *init_folder_of(const char *path);

// "made     what": one line of the account that init gives on standard output.
void init_say(const char *verdict, const char *format, ...) __attribute__((format(printf, 2, 3)));

// init_answers.c. 0 or the exit status, which a sentence on stderr explains.
int init_answers(struct init *in, int argc, char **argv);

// init_text.c: the configuration as text, and whether a text is as init left it.
void init_text(const struct init *in, struct buf *out);
bool init_text_untouched(struct span text);
// The file of a key that the text names one by one, relative to the configuration; for the caller to free.
char *init_text_key(const struct init *in, const char *domain);
// r2026 has e2026 beside it, and a2026 for ARC; dkim has dkime and dkima.
char *init_text_selector(const char *selector, char kind);
// The answers that an earlier init wrote into the text; what is answered already stays.
void init_text_remember(struct init *in, struct span text);

// init_files.c: what lies on disk. Each says what it made and what it left alone; -1 with why.
// Before anything is made: the files that the answers name are there and can be used; reads the password.
int init_look_at_given(struct init *in, struct why *why);
int init_user(struct init *in, struct why *why);
int init_folders(struct init *in, struct why *why);
int init_keys(struct init *in, struct why *why); // init_keys.c
int init_certificate(struct init *in, struct why *why);
int init_login(struct init *in, struct why *why);
bool init_login_usable(const struct init *in); // its password is known, or will be when it is made

// init_io.c.
// Whole or not at all, in place of what is there. uid -1: whoever runs this.
int init_write(const char *path, struct span text, mode_t mode, uid_t uid, gid_t gid,
               struct why *why);
// -1 with why: there, and unreadable or too large. 1: there is none.
int init_read(const char *path, struct buf *out, struct why *why);
bool init_exists(const char *path);
// The folder of a file that the relay alone may read.
int init_make_folder_of(const struct init *in, const char *file, struct why *why);
// A file of the relay's user.
int init_give(const struct init *in, const char *path, struct why *why);
// Fills why from errno: "cannot VERB PATH: …", and what helps where rights are missing. -1.
int init_refuse(struct why *why, const char *verb, const char *path);
// Runs a program to its end; its exit status, -1: it could not be run. `out`, where not NULL, gets what it prints.
int init_run(const char *const *argv, struct buf *out);

// init_records.c: the records to publish, printed and written beside the configuration.
int init_records(const struct init *in, struct why *why);

// init_others.c: certbot's hook, and the Postfix of this machine.
int init_certbot(const struct init *in, struct why *why);
// Before anything is made: whether init_postfix would do.
int init_postfix_look(const struct init *in, struct why *why);
int init_postfix(const struct init *in, struct why *why);
void init_postfix_hint(const struct init *in); // what hands mail over, in words

#endif
