// SPDX-License-Identifier: ISC
// An audit: the order of its parts, and what they found.
#include "relay/audit/audit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "relay/audit/inside.h"
#include "relay/base/mem.h"

const char *audit_severity_word(enum audit_severity severity)
{
    static const char *const words[] = {"ok", "advice", "problem"};
    return words[severity];
}

bool audit_evaluate(const struct audit_input *in, struct facts *facts, struct audit *out)
{
    struct audit_pass a = {.in = in, .facts = facts, .out = out};
    *out = (struct audit){0};
    a.relay = true;
    audit_host(&a);
    audit_own_certificate(&a);
    a.relay = false;
    audit_spf(&a);
    audit_dkim(&a);
    audit_dmarc(&a);
    audit_mx(&a);
    audit_policy_certificate(&a);
    if (a.waits)
        audit_free(out);
    return a.waits;
}

void audit_free(struct audit *audit)
{
    for (size_t i = 0; i < audit->n; i++) {
        free(audit->at[i].text);
        free(audit->at[i].name);
        free(audit->at[i].record);
    }
    free(audit->at);
    *audit = (struct audit){0};
}

enum audit_severity audit_worst(const struct audit *audit)
{
    enum audit_severity worst = AUDIT_OK;
    for (size_t i = 0; i < audit->n; i++)
        if (!audit->at[i].temporary && audit->at[i].severity > worst)
            worst = audit->at[i].severity;
    return worst;
}

bool audit_worth_repeating(const struct audit *audit)
{
    for (size_t i = 0; i < audit->n; i++)
        if (audit->at[i].temporary && strcmp(audit->at[i].about, "dnsbl") != 0)
            return true;
    return false;
}

bool audit_temporary(const struct audit *audit)
{
    for (size_t i = 0; i < audit->n; i++)
        if (audit->at[i].temporary)
            return true;
    return false;
}

int64_t *audit_key_dates(const struct setup_domain *keys)
{
    struct stat st;
    int64_t *made = mem_new((keys->config->nkeys + 1) * sizeof *made);
    for (size_t i = 0; i < keys->config->nkeys; i++)
        made[i] = stat(keys->config->keys[i].file, &st) == 0 ? (int64_t)st.st_mtim.tv_sec : 0;
    return made;
}
