// SPDX-License-Identifier: ISC
// Errors and warnings about a configuration file, each with its place, told in the file's order.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "config/node.h"
#include "relay/base/mem.h"

struct message {
    size_t file, line, column, order;
    char *text;
};

struct pile {
    struct message at[NODE_MESSAGES];
    size_t n, lost;
};

struct messages {
    char **paths; // of the files, by their numbers
    size_t nfiles;
    struct pile errors, warnings;
};

struct messages *messages_new(const char *path)
{
    struct messages *m = mem_new(sizeof *m);
    messages_begin(m, path);
    return m;
}

void messages_begin(struct messages *m, const char *path)
{
    m->paths = mem_grow(m->paths, m->nfiles + 1, sizeof *m->paths);
    m->paths[m->nfiles++] = mem_dup(path);
}

size_t messages_now(const struct messages *m)
{
    return m->nfiles - 1;
}

size_t messages_files(const struct messages *m)
{
    return m->nfiles;
}

const char *messages_path(const struct messages *m, size_t file)
{
    return m->paths[file];
}

const char *messages_where(const struct messages *m, const struct node *from,
                           const struct node *what, char out[static NODE_WHERE])
{
    if (from->file == what->file)
        snprintf(out, NODE_WHERE, "line %zu", what->line);
    else
        snprintf(out, NODE_WHERE, "%s:%zu", m->paths[what->file], what->line);
    return out;
}

static void pile_free(struct pile *pile)
{
    for (size_t i = 0; i < pile->n; i++)
        free(pile->at[i].text);
}

void messages_free(struct messages *m)
{
    if (!m)
        return;
    pile_free(&m->errors);
    pile_free(&m->warnings);
    for (size_t i = 0; i < m->nfiles; i++)
        free(m->paths[i]);
    free(m->paths);
    free(m);
}

// Takes the text over.
static void messages_add(struct pile *pile, size_t file, size_t line, size_t column, char *text)
{
    if (pile->n == NODE_MESSAGES) {
        pile->lost++;
        free(text);
        return;
    }
    pile->at[pile->n] = (struct message){file, line, column, pile->n, text};
    pile->n++;
}

__attribute__((format(printf, 3, 0))) static void add_list(struct pile *pile, const struct node *at,
                                                           const char *format, va_list args)
{
    char *text;
    if (vasprintf(&text, format, args) < 0)
        abort();
    messages_add(pile, at ? at->file : 0, at ? at->line : 1, at ? at->column : 1, text);
}

void messages_error(struct messages *m, const struct node *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_list(&m->errors, at, format, args);
    va_end(args);
}

void messages_warning(struct messages *m, const struct node *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_list(&m->warnings, at, format, args);
    va_end(args);
}

void messages_error_at(struct messages *m, size_t line, size_t column, const char *text)
{
    messages_add(&m->errors, messages_now(m), line, column, mem_dup(text));
}

bool messages_failed(const struct messages *m)
{
    return m->errors.n > 0;
}

static int messages_by_place(const void *a, const void *b)
{
    const struct message *x = a, *y = b;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static void write_pile(struct pile *pile, char *const *paths, struct buf *out)
{
    if (pile->n)
        qsort(pile->at, pile->n, sizeof pile->at[0], messages_by_place);
    for (size_t i = 0; i < pile->n; i++)
        buf_addf(out, "%s:%zu:%zu: %s\n", paths[pile->at[i].file], pile->at[i].line,
                 pile->at[i].column, pile->at[i].text);
    if (pile->lost)
        buf_addf(out, "%s:1:1: %zu more like these\n", paths[0], pile->lost);
}

void messages_write(struct messages *m, struct config_load *load)
{
    write_pile(&m->errors, m->paths, &load->errors);
    write_pile(&m->warnings, m->paths, &load->warnings);
}
