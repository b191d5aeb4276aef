// SPDX-License-Identifier: ISC
// One address of a TLS-RPT record. What is taken has one spelling, and nothing that could begin a header field,
// another address or another host.
#include <assert.h>
#include <string.h>
#include "relay/report/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct report_target target, again;
    struct why why;
    if (report_target_parse(span_of(data, size), &target, &why) < 0)
        return 0;
    for (const char *c = target.text; *c; c++)
        assert(*c > ' ' && *c < 127 && *c != ',' && *c != '!');
    for (const char *c = target.way == REPORT_MAIL ? target.address : target.path; *c; c++)
        assert(*c >= ' ' && *c < 127);
    assert(report_target_parse(span_text(target.text), &again, &why) == 0);
    assert(strcmp(again.text, target.text) == 0 && strcmp(again.host, target.host) == 0);
    report_target_free(&again);
    report_target_free(&target);
    return 0;
}
