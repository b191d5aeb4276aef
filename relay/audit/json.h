// SPDX-License-Identifier: ISC
// What an audit found, as JSON: `waxwing audit --json`, and the page of own domains.
#ifndef RELAY_AUDIT_JSON_H
#define RELAY_AUDIT_JSON_H

#include <jansson.h>
#include "relay/audit/audit.h"

// {"domain", "verdict", "findings": [{"severity", "about", "text", "scope", "prevents", "publish": {"name", "type", "record"}}]}
json_t *audit_json(const char *domain, const struct audit *audit);

#endif
