// SPDX-License-Identifier: ISC
// An audit: the order of its parts, and what they found.
#include "relay/audit/audit.h"

#include <stdlib.h>
#include "relay/audit/inside.h"

const char *audit_severity_word(enum audit_severity severity)
{
    static const char *const words[] = {"ok", "advice", "problem"};
    return words[severity];
}

bool audit_evaluate(const struct audit_input *in, struct facts *facts, struct audit *out)
{
    struct audit_pass a = {.in = in, .facts = facts, .out = out};
    *out = (struct audit){0};
    audit_spf(&a);
    audit_dkim(&a);
    audit_dmarc(&a);
    audit_mx(&a);
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

bool audit_temporary(const struct audit *audit)
{
    for (size_t i = 0; i < audit->n; i++)
        if (audit->at[i].temporary)
            return true;
    return false;
}
