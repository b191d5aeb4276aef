// SPDX-License-Identifier: ISC
// `waxwing completion`: scripts for shells, made from the table of commands. Verbs are what stands behind the name
// in a usage line, options whatever begins with two dashes in the text, so that --help and the shell agree.
#include <stdio.h>
#include <string.h>
#include "relay/base/buf.h"
#include "relay/command/command.h"

#define WORDS_MAX 16384 // bytes of the words of one command

static const char letters[] = "abcdefghijklmnopqrstuvwxyz-";

static bool has_word(struct buf *words, const char *word, size_t n)
{
    for (const char *at = buf_text(words); *at; at += strcspn(at, " "), at += *at == ' ')
        if (strcspn(at, " ") == n && memcmp(at, word, n) == 0)
            return true;
    return false;
}

static void completion_add(struct buf *words, const char *word, size_t n)
{
    if (n == 0 || has_word(words, word, n))
        return;
    buf_adds(words, words->len ? " " : "");
    buf_add(words, word, n);
}

// "waxwing queue retry|hold ID": the words behind the name, up to the first that is no verb.
static void add_verbs(struct buf *words, const char *name, const char *line)
{
    size_t n = strlen(name);
    const char *at = strstr(line, "waxwing ");
    at = at ? at + strlen("waxwing ") : line;
    if (strncmp(at, name, n) != 0 || at[n] != ' ')
        return;
    for (at += n + 1;; at++) {
        size_t length = strspn(at, letters);
        if (*at == '-' || !length || !strchr("| \n", at[length]))
            return;
        completion_add(words, at, length);
        at += length;
        if (*at != '|')
            return;
    }
}

static void collect(const struct command *c, struct buf *words)
{
    const char *line = c->usage;
    for (; strncmp(line, "usage: ", 7) == 0 || strncmp(line, "       waxwing ", 15) == 0;
         line = strchr(line, '\n') + 1) {
        char one[512];
        snprintf(one, sizeof one, "%.*s\n", (int)strcspn(line, "\n"), line);
        add_verbs(words, c->name, one);
    }
    for (const char *at = c->usage; (at = strstr(at, "--"));) {
        size_t n = strspn(at, letters);
        completion_add(words, at, n);
        at += n;
    }
    if (strcmp(c->name, "help") == 0)
        for (const struct command *other = commands; other->name; other++)
            completion_add(words, other->name, strlen(other->name));
    completion_add(words, "--help", 6);
}

static void print_cases(const char *end)
{
    for (const struct command *c = commands; c->name; c++) {
        struct buf words;
        buf_init(&words, WORDS_MAX);
        collect(c, &words);
        printf("    %s) words='%s' ;;\n", c->name, buf_text(&words));
        buf_free(&words);
    }
    fputs(end, stdout);
}

static void print_bash(void)
{
    fputs("# waxwing(8): made by `waxwing completion bash`.\n"
          "_waxwing() {\n"
          "    local at=1 words='' cur=${COMP_WORDS[COMP_CWORD]}\n"
          "    [ \"${COMP_WORDS[1]-}\" = -c ] && at=3\n"
          "    if [ \"$COMP_CWORD\" -le \"$at\" ]; then\n"
          "        [ \"$COMP_CWORD\" -eq \"$at\" ] || return 0 # the file behind -c\n"
          "        words='",
          stdout);
    for (const struct command *c = commands; c->name; c++)
        printf("%s ", c->name);
    fputs("-c --help --version'\n"
          "    else case ${COMP_WORDS[at]} in\n",
          stdout);
    print_cases("    esac; fi\n"
                "    # shellcheck disable=SC2207 # words without blanks\n"
                "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                "}\n"
                "complete -o default -F _waxwing waxwing\n");
}

// A summary inside single quotes, its colons kept from ending the name.
static void print_quoted(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    }
}

static void print_zsh(void)
{
    fputs("#compdef waxwing\n"
          "# waxwing(8): made by `waxwing completion zsh`.\n"
          "local at=2 words_here='' name\n"
          "local -a commands\n"
          "commands=(\n",
          stdout);
    for (const struct command *c = commands; c->name; c++) {
        printf("    '%s:", c->name);
        print_quoted(c->summary);
        puts("'");
    }
    fputs(")\n"
          "[[ ${words[2]-} == -c ]] && at=4\n"
          "if (( CURRENT == at )); then\n"
          "    _describe -t commands command commands\n"
          "    return\n"
          "fi\n"
          "if (( CURRENT < at )); then\n"
          "    _files\n"
          "    return\n"
          "fi\n"
          "name=${words[at]}\n"
          "() {\n"
          "    local words=''\n"
          "    case $name in\n",
          stdout);
    print_cases("    esac\n"
                "    words_here=$words\n"
                "}\n"
                "compadd -- ${=words_here}\n"
                "_files\n");
}

int command_completion(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "bash") == 0)
        print_bash();
    else if (argc == 2 && strcmp(argv[1], "zsh") == 0)
        print_zsh();
    else
        return command_usage_error("completion", "bash or zsh?");
    return EXIT_YES;
}
