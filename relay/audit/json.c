// SPDX-License-Identifier: ISC
#include "relay/audit/json.h"

#include "relay/log/json.h"

static json_t *finding_json(const struct audit_finding *f)
{
    json_t *j = json_pack("{s:s, s:s, s:o}", "severity",
                          f->temporary ? "unknown" : audit_severity_word(f->severity), "about",
                          f->about, "text", json_text(f->text));
    json_object_set_new(j, "scope", json_string(f->relay ? "relay" : "domain"));
    if (f->prevents)
        json_object_set_new(j, "prevents", json_string(f->prevents));
    if (f->name)
        json_object_set_new(j, "publish",
                            json_pack("{s:o, s:s, s:o}", "name", json_text(f->name), "type",
                                      f->type, "record", json_text(f->record)));
    return j;
}

json_t *audit_json(const char *domain, const struct audit *audit)
{
    json_t *findings = json_array();
    for (size_t i = 0; i < audit->n; i++)
        json_array_append_new(findings, finding_json(&audit->at[i]));
    return json_pack("{s:s, s:s, s:o}", "domain", domain, "verdict",
                     audit_severity_word(audit_worst(audit)), "findings", findings);
}
