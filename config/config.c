// SPDX-License-Identifier: ISC
// The life of a loaded configuration, and the questions to it.
#include "config/config.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "config/setting.h"
#include "relay/base/mem.h"

struct counted {
    atomic_size_t references;
    struct config config;
};

static struct counted *counted_of(struct config *config)
{
    return (struct counted *)(void *)((char *)config - offsetof(struct counted, config));
}

struct config *config_new(void)
{
    struct counted *counted = mem_new(sizeof *counted);
    atomic_init(&counted->references, 1);
    setting_defaults(&schema_top, &counted->config);
    return &counted->config;
}

struct config *config_ref(struct config *config)
{
    if (config)
        atomic_fetch_add_explicit(&counted_of(config)->references, 1, memory_order_relaxed);
    return config;
}

void config_unref(struct config *config)
{
    if (!config)
        return;
    struct counted *counted = counted_of(config);
    size_t before = atomic_fetch_sub_explicit(&counted->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1)
        return;
    setting_release(&schema_top, config);
    for (size_t i = 0; i < config->nplaces; i++)
        free(config->places[i].path);
    free(config->places);
    for (size_t i = 0; i < config->nfiles; i++)
        free(config->files[i]);
    free(config->files);
    free(config->file);
    free(counted);
}

// How well a rule's domain fits: 0 not at all, 1 "*", more for a longer "*.", most for the name itself.
static size_t config_fits(const char *rule, struct span domain)
{
    if (strcmp(rule, "*") == 0)
        return 1;
    if (strncmp(rule, "*.", 2) != 0)
        return span_is_nocase(domain, rule) ? SIZE_MAX : 0;
    // ".example.org" must end the domain and leave a label before it.
    return domain.n > strlen(rule + 1) && span_ends_nocase(domain, rule + 1) ? strlen(rule) : 0;
}

const struct cfg_place *config_place(const struct config *config, const char *text)
{
    const struct cfg_place *best = NULL; // the longest: one path may be the beginning of another
    for (size_t i = 0; i < config->nplaces; i++) {
        const struct cfg_place *place = &config->places[i];
        if (strstr(text, place->path) && (!best || strlen(place->path) > strlen(best->path)))
            best = place;
    }
    return best;
}

static struct span without_final_dot(const char *domain)
{
    struct span s = span_text(domain);
    if (s.n > 1 && s.p[s.n - 1] == '.')
        s.n--;
    return s;
}

const struct cfg_destination *config_destination(const struct config *config, const char *domain)
{
    const struct cfg_destination *best = NULL;
    size_t best_fit = 0;
    struct span name = without_final_dot(domain);
    for (size_t i = 0; i < config->delivery.ndestinations; i++) {
        size_t fit = config_fits(config->delivery.destinations[i].domain, name);
        if (fit > best_fit) {
            best_fit = fit;
            best = &config->delivery.destinations[i];
        }
    }
    return best;
}

static const struct cfg_dkim_domain *dkim_row(const struct config *config, struct span domain)
{
    for (size_t i = 0; i < config->ndkim; i++)
        if (span_is_nocase(domain, config->dkim[i].domain))
            return &config->dkim[i];
    return NULL;
}

const struct cfg_dkim_domain *config_dkim_for(const struct config *config, const char *domain)
{
    struct span name = without_final_dot(domain), label, parent;
    const struct cfg_dkim_domain *row = dkim_row(config, name);
    if (row)
        return row;
    while (span_cut(name, '.', &label, &parent)) {
        row = dkim_row(config, parent);
        if (row && row->subdomains)
            return row;
        name = parent;
    }
    return NULL;
}

bool config_filters(const struct cfg_sender *row, const struct cfg_milter *milter)
{
    if (row->milters_all)
        return true;
    for (size_t i = 0; i < row->milters.n; i++)
        if (strcmp(row->milters.at[i], milter->name) == 0)
            return true;
    return false;
}
