// SPDX-License-Identifier: ISC
// `waxwing srs`: secrets of return addresses, made and turned; addresses written and read as the relay does it.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config/idn.h"
#include "relay/base/clock.h"
#include "relay/base/id.h"
#include "relay/base/mem.h"
#include "relay/base/replace.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/command/options.h"
#include "relay/returns/srs.h"
#include "relay/returns/verp.h"
#include "relay/setup/return_keys.h"
#include "sign/base64.h"

#define SECRET_BYTES 18 // of chance in one

struct srs_options {
    const char *domain, *key_file, *argument;
};

static int srs_failed(const char *text)
{
    fprintf(stderr, "waxwing srs: %s\n", text);
    return EXIT_DATA;
}

// ---- key

static int read_old(const char *file, struct buf *out)
{
    char piece[4096];
    size_t n;
    FILE *f = fopen(file, "re");
    if (!f)
        return errno == ENOENT ? 0 : -1;
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        buf_add(out, piece, n);
    int rc = ferror(f) || out->full ? -1 : 0;
    fclose(f);
    return rc;
}

// Its owner and mode stay; a new one is the relay's.
static int write_new(const char *file, struct span text)
{
    struct stat old;
    if (stat(file, &old) == 0) {
        const struct replace_rights rights = {old.st_uid, old.st_gid, old.st_mode & 0660};
        return replace_file(file, text, &rights);
    }
    if (replace_file(file, text, NULL) < 0)
        return -1;
    command_give_to_relay("srs", file);
    return 0;
}

static int srs_key(const struct srs_options *o)
{
    struct buf text;
    unsigned char secret[SECRET_BYTES];
    struct why why;
    if (!o->argument)
        return command_usage_error("srs", "key needs a FILE");
    buf_init(&text, SECRETS_FILE);
    random_bytes(secret, sizeof secret);
    base64_encode(secret, sizeof secret, &text);
    buf_addc(&text, '\n');
    int rc = EXIT_YES;
    if (read_old(o->argument, &text) < 0) {
        fprintf(stderr, "waxwing srs: %s cannot be read: %s\n", o->argument, strerror(errno));
        rc = EXIT_DATA;
    }
    struct secrets *all = rc == EXIT_YES ? secrets_parse(buf_span(&text), o->argument, &why) : NULL;
    if (rc == EXIT_YES && !all)
        rc = srs_failed(why.text);
    if (rc == EXIT_YES && write_new(o->argument, buf_span(&text)) < 0) {
        fprintf(stderr, "waxwing srs: %s cannot be written: %s\n", o->argument, strerror(errno));
        rc = EXIT_DATA;
    }
    if (rc == EXIT_YES)
        printf("%s: a new secret, and %zu that still count\n", o->argument, secrets_count(all) - 1);
    secrets_unref(all);
    buf_free(&text);
    return rc;
}

// ---- addresses

// The rows that count: the configuration's, or one of the options.
struct srs_rows {
    struct config *config;
    struct secrets *secrets;
};

static int load_rows(const struct srs_options *o, struct srs_rows *rows)
{
    struct why why;
    int status = EXIT_YES;
    *rows = (struct srs_rows){0};
    if (!o->domain != !o->key_file)
        return command_usage_error("srs", "--domain and --key-file go together");
    if (!o->argument || !strchr(o->argument, '@'))
        return command_usage_error("srs", "an ADDRESS is needed");
    if (!o->key_file) {
        rows->config = command_load_config(&status);
        return status;
    }
    rows->secrets = secrets_load(o->key_file, &why);
    return rows->secrets ? EXIT_YES : srs_failed(why.text);
}

static void free_rows(struct srs_rows *rows)
{
    secrets_unref(rows->secrets);
    config_unref(rows->config);
}

// Asks `try` with each secret file that there is, until it says 0. `return` rows of the configuration, or the options.
typedef int srs_try(const char *domain, const struct secrets *secrets, const struct cfg_return *row,
                    const char *address, struct why *why);

static int try_row(const struct cfg_return *row, srs_try *try, const char *address, bool *any,
                   struct why *why)
{
    if (!row->domain[0])
        return -1;
    struct secrets *secrets = secrets_load(row->key_file, why);
    int rc = secrets ? try(row->domain, secrets, row, address, why) : -1;
    secrets_unref(secrets);
    *any = true;
    return rc;
}

static int try_all(const struct srs_options *o, const struct srs_rows *rows, bool verp,
                   srs_try *try, struct why *why)
{
    const struct cfg_return given = {.max_age = verp ? 30 * 86400000ULL : 21 * 86400000ULL,
                                     .hash_length = 4};
    bool any = rows->secrets != NULL;
    int rc = -1;
    if (rows->secrets)
        rc = try(o->domain, rows->secrets, &given, o->argument, why);
    for (size_t i = 0; rows->config && rc < 0 && i < rows->config->nsenders; i++) {
        const struct cfg_sender *row = &rows->config->senders[i];
        rc = try_row(verp ? &row->verp : &row->srs, try, o->argument, &any, why);
    }
    if (!any)
        why_set(why, WHY_OURS, "4.3.5", "no row of senders has '%s'", verp ? "verp" : "srs");
    return rc;
}

static struct srs srs_of(const char *domain, const struct secrets *secrets,
                         const struct cfg_return *row)
{
    return (struct srs){domain, secrets, (unsigned)(row->max_age / 86400000),
                        (size_t)row->hash_length};
}

static int srs_try_forward(const char *domain, const struct secrets *secrets,
                           const struct cfg_return *row, const char *address, struct why *why)
{
    struct srs srs = srs_of(domain, secrets, row);
    struct buf out;
    buf_init(&out, 1024);
    int rc = srs_forward(&srs, address, clock_s(), &out);
    if (rc == 0)
        puts(buf_text(&out));
    else
        why_set(why, WHY_OURS, "5.1.3",
                "%s cannot be rewritten: it is too long, or its domain is none", address);
    buf_free(&out);
    return rc;
}

static int srs_try_reverse(const char *domain, const struct secrets *secrets,
                           const struct cfg_return *row, const char *address, struct why *why)
{
    struct srs srs = srs_of(domain, secrets, row);
    struct buf out;
    buf_init(&out, 1024);
    int rc = srs_reverse(&srs, address, clock_s(), &out, why);
    if (rc == 0)
        puts(buf_text(&out));
    buf_free(&out);
    return rc;
}

static int srs_try_verp(const char *domain, const struct secrets *secrets,
                        const struct cfg_return *row, const char *address, struct why *why)
{
    struct verp verp = {domain, secrets, (int64_t)(row->max_age / 1000)};
    struct buf out;
    uint64_t id;
    char name[ID_TEXT];
    buf_init(&out, 1024);
    int rc = verp_read(&verp, address, clock_s(), &id, &out, why);
    if (rc == 0) {
        id_text(id, name);
        printf("%s (of message %s)\n", buf_text(&out), name);
    }
    buf_free(&out);
    return rc;
}

static int ask(const struct srs_options *o, bool verp, srs_try *try)
{
    struct srs_rows rows;
    struct why why;
    why_clear(&why);
    int status = load_rows(o, &rows);
    if (status == EXIT_YES && try_all(o, &rows, verp, try, &why) < 0) {
        fprintf(stderr, "waxwing srs: %s\n", why.text);
        status = EXIT_NO;
    }
    free_rows(&rows);
    return status;
}

static int srs_write(const struct srs_options *o)
{
    return ask(o, false, srs_try_forward);
}

static int srs_read(const struct srs_options *o)
{
    bool verp = o->argument && verp_is(o->argument);
    return ask(o, verp, verp ? srs_try_verp : srs_try_reverse);
}

int command_srs(int argc, char **argv)
{
    static const struct {
        const char *word;
        int (*run)(const struct srs_options *o);
    } verbs[] = {{"key", srs_key}, {"forward", srs_write}, {"reverse", srs_read}};
    static const struct option_row rows[] = {
        {"domain", OPTION_TEXT, offsetof(struct srs_options, domain), NULL},
        {"key-file", OPTION_TEXT, offsetof(struct srs_options, key_file), NULL},
        {"now", OPTION_CLOCK, 0, NULL},
        {0},
    };
    struct srs_options o = {0};
    if (argc < 2)
        return command_usage_error("srs", "key, forward or reverse?");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(argv[1], verbs[i].word) != 0)
            continue;
        int rc = command_table("srs", argc - 1, argv + 1, rows, &o);
        if (rc != EXIT_YES)
            return rc;
        if (optind + 1 < argc - 1)
            return command_usage_error("srs", "'%s' is too much", argv[optind + 2]);
        o.argument = argv[optind + 1];
        return verbs[i].run(&o);
    }
    return command_usage_error("srs", "there is no verb '%s'", argv[1]);
}
