// SPDX-License-Identifier: ISC
// `waxwing init`: lays down a complete configuration with keys, a login and a certificate, says what to publish,
// and has it checked. What is there it leaves alone, and says so. Exit: 0 laid down; 64 an answer is missing; 65
// something could not be made; 78 the configuration that is there cannot be read.
#include "relay/command/init.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config/load.h"
#include "relay/base/mem.h"
#include "relay/command/command.h"

// What is wrong with a file that is there, or with one that would only have been made: that has no lines yet.
static void say_errors(const struct init *in, struct buf *errors, bool there)
{
    struct span rest = buf_span(errors), line;
    while (span_cut(rest, '\n', &line, &rest)) {
        const char *text = there ? NULL : memmem(line.p, line.n, ": ", 2);
        if (text && line.n > strlen(in->file) && memcmp(line.p, in->file, strlen(in->file)) == 0)
            line = span_from(line, (size_t)(text + 2 - (const char *)line.p));
        fprintf(stderr, "%s%.*s\n", there ? "" : "waxwing init: ", (int)line.n,
                (const char *)line.p);
    }
}

static struct config *parse(const struct init *in, struct span text, bool there)
{
    struct config_load load;
    config_load_init(&load);
    struct config *config = config_load_text(in->file, text.p, text.n, &load);
    say_errors(in, &load.errors, there);
    config_load_free(&load);
    return config;
}

// An earlier init named each key; with other names they would not be those that are published.
static bool has_named_keys(const struct init *in)
{
    char *folder = init_folder_of(in->file);
    bool has = false;
    for (size_t i = 0; !has && !in->dkim_key_file.n && i < in->domain.n; i++) {
        char *file = init_text_key(in, in->domain.at[i]), *path = mem_printf("%s/%s", folder, file);
        has = init_exists(path);
        free(path);
        free(file);
    }
    free(folder);
    return has;
}

// Keys of dkim.directory are in the configuration when they are there.
static int read_again(struct init *in, struct span text, struct why *why)
{
    if (!*in->config->signing.directory)
        return 0;
    struct config *now = parse(in, text, true);
    if (!now)
        return why_set(why, WHY_OURS, "4.3.5", "the configuration with its keys cannot be used");
    config_unref(in->config);
    in->config = now;
    return 0;
}

// Decides which text counts: the one that is there, or the one of the answers. `write`: it is to be written.
static int settle_text(struct init *in, struct buf *text, bool *write, struct why *why)
{
    struct buf there;
    buf_init(&there, INIT_TEXT_MAX);
    int found = init_read(in->file, &there, why);
    in->named_keys = has_named_keys(in);
    init_text(in, text);
    *write = found == 1;
    bool untouched = found == 0 && init_text_untouched(buf_span(&there));
    in->ours = found == 1 || untouched;
    if (found == 0 && (!in->given || !untouched)) {
        init_say("kept", "%s%s%s", in->file, untouched ? "" : ", which somebody has edited",
                 in->given && !untouched ? "; what was asked for just now is not in it" : "");
        buf_move(text, &there);
    } else if (found == 0) {
        *write = !span_equal(buf_span(text), buf_span(&there));
        if (!*write)
            init_say("kept", "%s", in->file);
    }
    buf_free(&there);
    return found < 0 ? -1 : 0;
}

static int lay_down(struct init *in, struct span text, bool write, struct why *why)
{
    if (init_user(in, why) < 0 || init_folders(in, why) < 0 || init_keys(in, why) < 0 ||
        read_again(in, text, why) < 0 || init_certificate(in, why) < 0 || init_login(in, why) < 0)
        return -1;
    // The configuration comes last: where it is, everything is.
    if (write) {
        bool there = init_exists(in->file);
        if (init_write(in->file, text, 0644, (uid_t)-1, (gid_t)-1, why) < 0)
            return -1;
        init_say(there ? "changed" : "made", "%s%s", in->file,
                 there ? "; waxwing reload puts it in force" : "");
    }
    if ((in->certbot && init_certbot(in, why) < 0) || (in->postfix && init_postfix(in, why) < 0))
        return -1;
    putchar('\n');
    return init_records(in, why);
}

static bool is_first(const struct init *in)
{
    return in->password_made || in->certificate_made;
}

static void say_login(const struct init *in)
{
    if (in->password_made)
        printf("\nThe login, shown this once (only its hash is kept):\n  user      %s\n  password  "
               "%s\n",
               init_login_name(in), in->password);
}

static void say_next(const struct init *in)
{
    if (in->certificate_made && !in->certbot)
        printf("\nThe certificate is self-signed: programs that check it refuse it until there is "
               "a real one, as "
               "with\ncertbot (waxwing init --certbot installs the hook):\n"
               "  certbot certonly --standalone -d %s\n",
               in->config->hostname);
    if (!is_first(in))
        return;
    char *command = in->system_places ? mem_dup("systemctl enable --now waxwing")
                                      : mem_printf("waxwing -c %s run", in->file);
    printf("\nNext\n  1. publish the records; `waxwing check` says when they are seen,\n"
           "     `waxwing audit %s` how receivers see the domain\n  2. %s\n",
           init_one(&in->domain), command);
    free(command);
    if (in->postfix)
        puts("  3. try it: echo hello | sendmail you@elsewhere.example");
    else
        init_postfix_hint(in);
}

// What `check` finds (records that nobody has published yet, above all) is news and no failure of init.
static int check(const struct init *in)
{
    char name[] = "check", option[] = "--offline",
         *argv[] = {name, in->offline ? option : NULL, NULL};
    putchar('\n');
    printf("Checking %s\n", in->file);
    fflush(stdout);
    int status = command_check(in->offline ? 2 : 1, argv);
    if (status == EXIT_NO && !in->offline && is_first(in))
        puts("A key that is not published is no mistake yet: its record is among those above.");
    return status == EXIT_CONFIG ? status : EXIT_YES;
}

static int init_all(struct init *in)
{
    struct why why;
    struct buf text;
    bool write;
    buf_init(&text, INIT_TEXT_MAX);
    int status = EXIT_DATA;
    why_clear(&why);
    if (init_look_at_given(in, &why) < 0 || settle_text(in, &text, &write, &why) < 0)
        goto out;
    in->config = parse(in, buf_span(&text), !write);
    if (!in->config) {
        fputs(write
                  ? "waxwing init: these answers make no configuration\n"
                  : "waxwing init: mend this configuration or move it away, then run init again\n",
              stderr);
        status = write ? EXIT_USAGE : EXIT_CONFIG;
        goto out;
    }
    if (in->postfix && init_postfix_look(in, &why) < 0)
        goto out;
    if (lay_down(in, buf_span(&text), write, &why) == 0) {
        command_config_file = in->file;
        status = check(in);
        say_login(in);
        say_next(in);
    } else { // nobody would learn it later
        say_login(in);
    }
out:
    if (why_is_set(&why))
        fprintf(stderr, "waxwing init: %s\n", why.text);
    buf_free(&text);
    return status;
}

static void init_free(struct init *in)
{
    for (const struct init_field *f = init_fields; f->name; f++) {
        struct init_list *list = init_list_of(in, f);
        for (size_t i = 0; i < list->n; i++)
            free(list->at[i]);
        free(list->at);
    }
    if (in->password)
        explicit_bzero(in->password, strlen(in->password));
    free(in->password);
    for (size_t i = 0; i < in->former_selector.n; i++)
        free(in->former_selector.at[i]);
    free(in->former_selector.at);
    free(in->file);
    config_unref(in->config);
}

int command_init(int argc, char **argv)
{
    struct init in = {.uid = (uid_t)-1, .gid = (gid_t)-1};
    int status = init_answers(&in, argc, argv);
    if (status == EXIT_YES)
        status = init_all(&in);
    if (command_config_file == in.file)
        command_config_file = CONFIG_DEFAULT_FILE; // the name goes with the answers
    init_free(&in);
    return status;
}
