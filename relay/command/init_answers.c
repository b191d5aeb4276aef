// SPDX-License-Identifier: ISC
// What `waxwing init` is to lay down: from options, the environment, an earlier init and, on a terminal, from
// whoever sits there. Each answer is looked at before anything is made.
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config/idn.h"
#include "config/load.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/command/command.h"
#include "relay/command/init.h"
#include "relay/command/options.h"
#include "relay/setup/users.h"

#define AT(field) offsetof(struct init, field)
#define VARIABLE  "WAXWING_"

const struct init_field init_fields[] = {
    {"domain", AT(domain), INIT_WORDS, true, true,
     "Mail domain, what stands behind the @ of your senders"},
    {"hostname", AT(hostname), INIT_ONE, false, true, "Name of this relay in the DNS"},
    {"user", AT(user), INIT_SEVERAL, true, true, "Login that programs send with"},
    {"smarthost", AT(smarthost), INIT_ONE, false, true,
     "Host to send everything through, as in [smtp.example.net]:587; empty: none"},
    {"listen", AT(listen), INIT_WORDS, false, true, NULL},
    {"network", AT(network), INIT_WORDS, false, true, NULL},
    {"postmaster", AT(postmaster), INIT_ONE, false, true, NULL},
    {"password-file", AT(password_file), INIT_ONE, false, false, NULL},
    {"smarthost-user", AT(smarthost_user), INIT_ONE, false, true, NULL},
    {"smarthost-password-file", AT(smarthost_password_file), INIT_ONE, false, true, NULL},
    {"selector", AT(selector), INIT_ONE, false, true, NULL},
    {"dkim-key-file", AT(dkim_key_file), INIT_ONE, false, true, NULL},
    {"tls-chain-file", AT(tls_chain_file), INIT_ONE, false, true, NULL},
    {"tls-key-file", AT(tls_key_file), INIT_ONE, false, true, NULL},
    {"dns-server", AT(dns_server), INIT_WORDS, false, true, NULL},
    {"log-format", AT(log_format), INIT_ONE, false, true, NULL},
    {"http", AT(http), INIT_ONE, false, true, NULL},
    {"spool", AT(spool), INIT_ONE, false, true, NULL},
    {"state", AT(state), INIT_ONE, false, true, NULL},
    {"run-as", AT(run_as), INIT_ONE, false, true, NULL},
    {"directory", AT(directory), INIT_ONE, false, false, NULL},
    {NULL, 0, INIT_ONE, false, false, NULL},
};
#define FIELDS (sizeof init_fields / sizeof *init_fields - 1)

enum { OPT_YES = 1000, OPT_OFFLINE, OPT_CERTBOT, OPT_POSTFIX, OPT_FROM_ENV };

struct init_list *init_list_of(struct init *in, const struct init_field *field)
{
    return (struct init_list *)((char *)in + field->offset);
}

const char *init_one(const struct init_list *list)
{
    return list->n ? list->at[0] : "";
}

const char *init_login_name(const struct init *in)
{
    return in->user.n ? in->user.at[in->user.n - 1] : "";
}

void init_add(struct init_list *list, const char *value)
{
    list->at = mem_grow(list->at, list->n + 1, sizeof *list->at);
    list->at[list->n++] = mem_dup(value);
}

char *init_folder_of(const char *path)
{
    char *folder = mem_dup(path), *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    return folder;
}

// A value with blanks or commas is several, where there may be several; the last one counts where not.
static void add_values(struct init *in, const struct init_field *field, const char *value)
{
    struct init_list *list = init_list_of(in, field);
    if (field->values == INIT_ONE && list->n)
        free(list->at[--list->n]);
    if (field->values != INIT_WORDS) {
        init_add(list, value);
        return;
    }
    char *copy = mem_dup(value), *rest = copy;
    for (char *one = strsep(&rest, ", \t\n"); one; one = strsep(&rest, ", \t\n"))
        if (*one)
            init_add(list, one);
    free(copy);
}

static bool init_answers_init_set_option(void *arg, int option, const char *value)
{
    struct init *in = arg;
    switch (option) {
    case OPT_YES:
        return in->yes = true;
    case OPT_OFFLINE:
        return in->offline = true;
    case OPT_CERTBOT:
        return in->certbot = true;
    case OPT_POSTFIX:
        return in->postfix = true;
    case OPT_FROM_ENV:
        return in->from_env = in->yes = true;
    default:
        add_values(in, &init_fields[option], value);
        in->given |= init_fields[option].kept;
        return true;
    }
}

static int read_options(struct init *in, int argc, char **argv)
{
    struct option options[FIELDS + 6] = {
        {"yes", no_argument, NULL, OPT_YES},           {"offline", no_argument, NULL, OPT_OFFLINE},
        {"certbot", no_argument, NULL, OPT_CERTBOT},   {"postfix", no_argument, NULL, OPT_POSTFIX},
        {"from-env", no_argument, NULL, OPT_FROM_ENV},
    };
    for (size_t i = 0; i < FIELDS; i++)
        options[5 + i] = (struct option){init_fields[i].name, required_argument, NULL, (int)i};
    int rc = command_options("init", argc, argv, options, init_answers_init_set_option, in);
    if (rc == EXIT_YES && optind < argc)
        return command_usage_error("init", "unexpected argument '%s'", argv[optind]);
    return rc;
}

static bool is_variable(const char *text, size_t n, const char *field)
{
    size_t i = 0;
    for (; i < n && field[i]; i++)
        if (text[i] != (field[i] == '-' ? '_' : field[i] - 'a' + 'A'))
            return false;
    return i == n && !field[i];
}

// Kubernetes sets WAXWING_SERVICE_… and WAXWING_PORT… wherever a service has our name.
static bool is_foreign(const char *text)
{
    return strncmp(text, "SERVICE_", 8) == 0 || strncmp(text, "PORT", 4) == 0;
}

static int read_variable(struct init *in, const char *text)
{
    const char *value = strchr(text, '=');
    size_t n = value ? (size_t)(value - text) : 0;
    for (size_t i = 0; n && i < FIELDS; i++) {
        if (!is_variable(text, n, init_fields[i].name))
            continue;
        if (!init_list_of(in, &init_fields[i])->n && value[1]) { // an option stands above it
            add_values(in, &init_fields[i], value + 1);
            in->given |= init_fields[i].kept;
        }
        return EXIT_YES;
    }
    if (is_variable(text, n, "password") || is_variable(text, n, "smarthost-password"))
        return command_usage_error(
            "init", VARIABLE "%.*s: a secret comes as a file, named by " VARIABLE "%.*s_FILE",
            (int)n, text, (int)n, text);
    if (n && !is_foreign(text))
        fprintf(stderr, "waxwing init: the variable " VARIABLE "%.*s says nothing to init\n",
                (int)n, text);
    return EXIT_YES;
}

static int read_environment(struct init *in)
{
    for (char **at = environ; *at; at++)
        if (strncmp(*at, VARIABLE, strlen(VARIABLE)) == 0) {
            int rc = read_variable(in, *at + strlen(VARIABLE));
            if (rc != EXIT_YES)
                return rc;
        }
    return EXIT_YES;
}

// The configuration's name, absolute: it is written into files that others read from elsewhere.
static void find_file(struct init *in)
{
    const char *folder = init_one(&in->directory);
    char *file =
        *folder ? mem_printf("%s/%s", folder, "waxwing.yaml") : mem_dup(command_config_file);
    char *here = *file == '/' ? NULL : getcwd(NULL, 0);
    in->file = here ? mem_printf("%s/%s", here, file) : mem_dup(file);
    free(here);
    free(file);
    folder = init_folder_of(in->file);
    in->system_places = strcmp(folder, "/etc/waxwing") == 0;
    free((char *)folder);
}

static void set(struct init_list *list, char *value)
{
    if (!list->n && *value)
        init_add(list, value);
    free(value);
}

static bool is_below(const char *host, const char *domain)
{
    size_t n = strlen(host), m = strlen(domain);
    return n > m && host[n - m - 1] == '.' && strcasecmp(host + n - m, domain) == 0;
}

// This machine's name where it lies in the domain, else relay. and the domain.
static char *likely_hostname(const struct init *in)
{
    char name[256] = "";
    if (gethostname(name, sizeof name - 1) == 0)
        for (size_t i = 0; i < in->domain.n; i++)
            if (is_below(name, in->domain.at[i]))
                return mem_dup(name);
    return in->domain.n ? mem_printf("relay.%s", in->domain.at[0]) : mem_dup("");
}

// This year's, so that the next one can stand beside it.
static char *likely_selector(void)
{
    char now[40];
    clock_rfc3339(clock_ms(), now);
    return mem_printf("r%.4s", now);
}

static char *likely_user(const struct init *in)
{
    return mem_dup(in->postfix ? "postfix" : "app");
}

static char *likely_run_as(void)
{
    const struct passwd *pw = geteuid() == 0 ? NULL : getpwuid(geteuid());
    return mem_dup(geteuid() == 0 ? "waxwing" : pw ? pw->pw_name : "");
}

static char *likely(const struct init *in, const char *name)
{
    if (strcmp(name, "hostname") == 0)
        return likely_hostname(in);
    return strcmp(name, "user") == 0 ? likely_user(in) : mem_dup("");
}

static const char *wrong_name(const char *name, char out[IDN_NAME])
{
    if (idn_to_ascii(name, out) < 0 || !*out)
        return "is not a domain name";
    if (!strchr(out, '.'))
        return "has no dot: a full name is wanted, as in example.org";
    const char *last = strrchr(out, '.') + 1;
    return strspn(last, "0123456789") == strlen(last) ? "is an address, not a name" : NULL;
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

// What is wrong with an answer; NULL: nothing. A name becomes what the DNS has.
static const char *wrong(const char *field, char **value)
{
    char ascii[IDN_NAME];
    const char *why = NULL;
    if (has_control(*value)) {
        free(*value);
        *value = mem_dup("");
        why = "holds a control character";
    } else if (strcmp(field, "domain") == 0 || strcmp(field, "hostname") == 0) {
        why = wrong_name(*value, ascii);
        if (!why) {
            free(*value);
            *value = mem_dup(ascii);
        }
    } else if (strcmp(field, "user") == 0 && !users_name_ok(*value)) {
        why = "is no user name (no colon, no control character)";
    } else if (strcmp(field, "selector") == 0 && idn_to_ascii(*value, ascii) < 0) {
        why = "is no selector (letters, digits and hyphens)";
    }
    return why;
}

// One question until the answer will do. False: the input has ended.
static bool init_answers_ask(struct init *in, const struct init_field *field)
{
    struct init_list *list = init_list_of(in, field);
    char line[1024], *suggested = likely(in, field->name);
    bool again = true, ended = false;
    while (again && !ended) {
        printf(*suggested ? "%s [%s]: " : "%s: ", field->question, suggested);
        fflush(stdout);
        ended = !fgets(line, sizeof line, stdin);
        line[ended ? 0 : strcspn(line, "\r\n")] = 0;
        char *value = span_dup(span_trim(span_text(*line ? line : suggested)));
        const char *why = *value ? wrong(field->name, &value) : NULL;
        again = why || (!*value && strcmp(field->name, "domain") == 0);
        if (why)
            printf("  '%s' %s\n", value, why);
        if (!again && *value)
            init_add(list, value);
        free(value);
    }
    free(suggested);
    return !ended;
}

static int ask_all(struct init *in)
{
    if (in->yes || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return EXIT_YES;
    for (const struct init_field *f = init_fields; f->name; f++)
        if (f->question && !init_list_of(in, f)->n && !init_answers_ask(in, f)) {
            putchar('\n');
            return command_usage_error("init", "the input ended before all was answered");
        }
    in->given = true;
    return EXIT_YES;
}

static int init_answers_judge(struct init *in)
{
    int rc = EXIT_YES;
    if (!in->domain.n)
        return command_usage_error("init",
                                   "--domain is needed, the domain that mail is sent from%s",
                                   in->from_env ? " (or " VARIABLE "DOMAIN)"
                                   : in->yes    ? ""
                                                : "; there is no terminal to ask on");
    for (const struct init_field *f = init_fields; f->name; f++) {
        struct init_list *list = init_list_of(in, f);
        for (size_t i = 0; i < list->n; i++) {
            const char *why = wrong(f->name, &list->at[i]);
            if (why)
                rc = command_usage_error("init",
                                         *list->at[i] ? "--%s: '%s' %s" : "--%s: the value%s %s",
                                         f->name, list->at[i], why);
        }
    }
    // Mail signed with a key that nobody can look up yet is worse than mail signed with an old one.
    if (rc == EXIT_YES && in->former_selector.n && !in->dkim_key_file.n)
        rc = command_usage_error("init",
                                 "--selector: the keys here have the selector %s, and another one "
                                 "would sign before it is published; make it with: waxwing key new",
                                 init_one(&in->former_selector));
    if (rc == EXIT_YES && in->tls_chain_file.n != in->tls_key_file.n)
        rc = command_usage_error("init", "--tls-chain-file and --tls-key-file come together");
    if (rc == EXIT_YES && in->smarthost_user.n != in->smarthost_password_file.n)
        rc = command_usage_error("init",
                                 "--smarthost-user and --smarthost-password-file come together");
    if (rc == EXIT_YES && in->smarthost_user.n && !in->smarthost.n)
        rc = command_usage_error("init", "--smarthost-user is for a --smarthost");
    return rc;
}

// What an earlier init was told, or what a configuration of somebody's own making says.
static int remember(struct init *in, bool *there)
{
    struct why why;
    struct buf text;
    buf_init(&text, INIT_TEXT_MAX);
    int found = init_read(in->file, &text, &why);
    *there = found == 0;
    if (found < 0)
        fprintf(stderr, "waxwing init: %s\n", why.text);
    if (found == 0)
        init_text_remember(in, buf_span(&text));
    buf_free(&text);
    if (found != 0 || in->domain.n)
        return found < 0 ? EXIT_CONFIG : EXIT_YES;
    struct config_load load;
    config_load_init(&load);
    struct config *config = config_load_file(in->file, &load);
    fputs(buf_text(&load.errors), stderr);
    config_load_free(&load);
    for (size_t i = 0; config && i < config->ndkim; i++)
        init_add(&in->domain, config->dkim[i].domain);
    if (config)
        set(&in->hostname, mem_dup(config->hostname));
    for (size_t i = 0; config && i < config->nsenders; i++)
        set(&in->user, mem_dup(config->senders[i].user));
    config_unref(config);
    return config ? EXIT_YES : EXIT_CONFIG;
}

int init_answers(struct init *in, int argc, char **argv)
{
    bool there = false;
    int rc = read_options(in, argc, argv);
    if (rc == EXIT_YES && in->from_env)
        rc = read_environment(in);
    if (rc != EXIT_YES)
        return rc;
    find_file(in);
    rc = remember(in, &there);
    if (rc == EXIT_YES && !there)
        rc = ask_all(in);
    if (rc == EXIT_YES)
        rc = init_answers_judge(in);
    if (rc != EXIT_YES)
        return rc;
    set(&in->hostname, likely_hostname(in));
    set(&in->user, likely_user(in));
    set(&in->selector, likely_selector());
    set(&in->postmaster, mem_printf("postmaster@%s", in->domain.at[0]));
    set(&in->run_as, likely_run_as());
    return EXIT_YES;
}
