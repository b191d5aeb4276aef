// SPDX-License-Identifier: ISC
// `waxwing user`: adds, changes, removes and lists the users who may log in. A password comes from a
// prompt or from standard input, never from the command line, where `ps` would show it.
#include <errno.h>
#include <jansson.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "config/load.h"
#include "relay/base/mem.h"
#include "relay/command/command.h"
#include "relay/command/progress.h"
#include "relay/setup/users.h"

struct target {
    char *path;
    gid_t group; // of a file that is made; -1: the process's
};

static volatile sig_atomic_t interrupted;

static void user_on_signal(int number)
{
    interrupted = number;
}

// One line of standard input, byte by byte, so that a script's next line is left to whoever reads
// next. -1 at the end of the input, on a signal, or for a line that is too long.
static int read_line(char out[USERS_PASSWORD + 2])
{
    size_t n = 0;
    for (;;) {
        char c;
        ssize_t got = read(STDIN_FILENO, &c, 1);
        if (got < 0 && errno == EINTR && !interrupted)
            continue;
        if (got <= 0 && (got < 0 || n == 0))
            return -1;
        if (got == 0 || c == '\n')
            break;
        if (n > USERS_PASSWORD || c == 0)
            return -1;
        out[n++] = c;
    }
    if (n && out[n - 1] == '\r')
        n--;
    out[n] = 0;
    return 0;
}

// Asks on the terminal with its echo off; the echo comes back whatever happens, an interrupt included.
static int prompt(const char *question, char out[USERS_PASSWORD + 2])
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    struct sigaction old[5], action = {.sa_handler = user_on_signal}; // without SA_RESTART
    struct termios before, silent;
    if (tcgetattr(STDIN_FILENO, &before) < 0)
        return -1;
    progress_end();
    interrupted = 0;
    for (size_t i = 0; i < 5; i++)
        sigaction(signals[i], &action, &old[i]);
    silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    fprintf(stderr, "%s: ", question);
    int rc = read_line(out);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputs("\n", stderr);
    for (size_t i = 0; i < 5; i++)
        sigaction(signals[i], &old[i], NULL);
    if (interrupted) {
        raise(interrupted);
        return -1;
    }
    return rc;
}

static int read_password(char out[USERS_PASSWORD + 2])
{
    if (!isatty(STDIN_FILENO)) {
        if (read_line(out) == 0)
            return 0;
        fputs("waxwing user: no password on standard input\n", stderr);
        return -1;
    }
    char again[USERS_PASSWORD + 2] = "";
    int rc = -1;
    if (prompt("Password", out) == 0 && prompt("Again", again) == 0) {
        rc = strcmp(out, again) == 0 ? 0 : -1;
        if (rc < 0)
            fputs("waxwing user: these two differ\n", stderr);
    }
    explicit_bzero(again, sizeof again);
    return rc;
}

static int hash_password(bool scram, char hash[USERS_HASH])
{
    char password[USERS_PASSWORD + 2] = "";
    struct why why;
    int rc = read_password(password);
    if (rc == 0 && (scram ? users_scram : users_hash)(password, hash, &why) < 0) {
        fprintf(stderr, "waxwing user: %s\n", why.text);
        rc = -1;
    }
    explicit_bzero(password, sizeof password);
    return rc;
}

// The users file of the configuration; 0 or the exit status.
static int find_target(const char *file, struct target *target)
{
    *target = (struct target){.group = (gid_t)-1};
    if (file) {
        target->path = mem_dup(file);
        return 0;
    }
    struct config_load load;
    config_load_init(&load);
    struct config *config = config_load_file(command_config_file, &load);
    int status = 0;
    if (!config) {
        fputs(buf_text(&load.errors), stderr);
        status = EXIT_CONFIG;
    } else if (!config->users[0]) {
        fprintf(stderr, "waxwing user: %s names no 'users' file; --file does\n",
                command_config_file);
        status = EXIT_CONFIG;
    } else {
        target->path = mem_dup(config->users);
        struct passwd *entry = config->user[0] ? getpwnam(config->user) : NULL;
        if (geteuid() == 0 && entry)
            target->group = entry->pw_gid; // the relay must be able to read what root makes
    }
    config_unref(config);
    config_load_free(&load);
    return status;
}

static int list(const struct target *target, bool as_json)
{
    struct why why;
    struct buf complaints;
    buf_init(&complaints, 65536);
    struct users *users = users_load(target->path, &complaints, &why);
    fputs(buf_text(&complaints), stderr);
    buf_free(&complaints);
    if (!users) {
        fprintf(stderr, "waxwing user: %s\n", why.text);
        return EXIT_CONFIG;
    }
    json_t *names = json_array();
    for (size_t i = 0; i < users_count(users); i++) {
        if (as_json)
            json_array_append_new(names, json_string(users_name(users, i)));
        else
            puts(users_name(users, i));
    }
    if (as_json) {
        json_dumpf(names, stdout, JSON_COMPACT);
        puts("");
    }
    json_decref(names);
    users_unref(users);
    return EXIT_YES;
}

static int edit(const struct target *target, enum users_verb verb, const char *name, bool scram)
{
    char hash[USERS_HASH] = "";
    struct why why;
    if (verb != USERS_REMOVE && hash_password(scram, hash) < 0)
        return EXIT_DATA;
    switch (users_edit(target->path, verb, name, hash, target->group, &why)) {
    case USERS_DONE:
        return EXIT_YES;
    case USERS_THERE:
        fprintf(stderr, "waxwing user: there is a user '%s' already\n", name);
        return EXIT_NO;
    case USERS_ABSENT:
        fprintf(stderr, "waxwing user: there is no user '%s'\n", name);
        return EXIT_NO;
    case USERS_FAILED:
        break;
    }
    fprintf(stderr, "waxwing user: %s\n", why.text);
    return EXIT_CONFIG;
}

struct user_options {
    const char *file;
    bool json, scram;
};

static int user_act(const char *verb, int nnames, char **names, const struct user_options *o)
{
    static const char *const verbs[] = {
        [USERS_ADD] = "add", [USERS_CHANGE] = "passwd", [USERS_REMOVE] = "remove"};
    struct target target;
    bool is_list = strcmp(verb, "list") == 0;
    int v = USERS_ADD;
    while (v <= USERS_REMOVE && strcmp(verb, verbs[v]) != 0)
        v++;
    if (v > USERS_REMOVE && !is_list)
        return command_usage_error("user", "there is no '%s'; add, passwd, remove or list", verb);
    if (is_list && nnames > 0)
        return command_usage_error("user", "list takes no name");
    if (!is_list && nnames != 1)
        return command_usage_error("user", "%s takes one name", verb);
    if (!is_list && !users_name_ok(names[0]))
        return command_usage_error("user", "not a user name (no colon, no control character)");
    if (o->scram && (is_list || v == USERS_REMOVE))
        return command_usage_error("user", "--scram belongs to add and passwd");
    int status = find_target(o->file, &target);
    if (status == 0)
        status = is_list ? list(&target, o->json)
                         : edit(&target, (enum users_verb)v, names[0], o->scram);
    free(target.path);
    return status;
}

int command_user(int argc, char **argv)
{
    static const struct option options[] = {{"file", required_argument, NULL, 'f'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"scram", no_argument, NULL, 's'},
                                            {0}};
    struct user_options o = {0};
    optind = 0; // GNU: start anew
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'f')
            o.file = optarg;
        else if (c == 'j')
            o.json = true;
        else if (c == 's')
            o.scram = true;
        else
            return command_usage_error("user", "unknown option");
    }
    if (optind == argc)
        return command_usage_error("user", "add, passwd, remove or list?");
    return user_act(argv[optind], argc - optind - 1, argv + optind + 1, &o);
}
