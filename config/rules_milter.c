// SPDX-License-Identifier: ISC
// Checks of `milters`: their names, and the rows of `senders` that use them.
#include "config/rules.h"

#include <string.h>
#include "config/value.h"

#define MILTER_NAME 64 // bytes: it is a label of metrics

static const char *rules_milter_name(const void *rows, size_t i)
{
    return ((const struct cfg_milter *)rows)[i].name;
}

// A word of the log and of metrics, and none that means something in senders.milters.
static bool rules_milter_is_name(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++)
        if (!ascii_is_alnum((unsigned char)name[i]) && !strchr("._-", name[i]))
            return false;
    return n <= MILTER_NAME && strcmp(name, "all") != 0 && strcmp(name, "none") != 0;
}

static bool rules_milter_is_known(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->nmilters; i++)
        if (strcmp(c->milters[i].name, name) == 0)
            return true;
    return false;
}

static void check_uses(const struct config *c, const struct cfg_sender *sender,
                       const struct node *list, struct messages *m)
{
    char quoted[VALUE_QUOTE];
    bool none = sender->milters.n == 1 && strcmp(sender->milters.at[0], "none") == 0;
    for (size_t i = 0; !none && i < sender->milters.n; i++)
        if (!rules_milter_is_known(c, sender->milters.at[i]))
            messages_error(m, list, "milters: there is no filter %s in 'milters'",
                           value_quote(span_text(sender->milters.at[i]), quoted));
}

void rules_check_milters(const struct config *c, const struct node *root, struct messages *m)
{
    char quoted[VALUE_QUOTE];
    const struct node *rows = node_get(root, "milters"), *senders = node_get(root, "senders");
    rules_unique(rows, c->nmilters, "name", c->milters, rules_milter_name, m);
    for (size_t i = 0; i < c->nmilters; i++)
        if (!rules_milter_is_name(c->milters[i].name))
            messages_error(m, node_get(node_row(rows, i), "name"),
                           "name: %s is not letters, digits, '.', '_' and '-' (or it is all or "
                           "none)",
                           value_quote(span_text(c->milters[i].name), quoted));
    for (size_t i = 0; i < c->nsenders; i++)
        check_uses(c, &c->senders[i], node_get(node_row(senders, i), "milters"), m);
}
