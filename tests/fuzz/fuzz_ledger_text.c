// SPDX-License-Identifier: ISC
// What another node counted: whatever stands there, each row that is read has a count that may be summed, and what was
// read reads the same when it is written again.
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/span.h"
#include "relay/fleet/ledger_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ledger_rows rows = {0}, again = {0};
    struct why why;
    char *text = span_dup(span_of(data, size));
    int rc = ledger_text_read(text, 20000, "dest.example", &rows, &why);
    assert(rc == 0 || rows.n == 0);
    for (size_t i = 0; i < rows.n; i++)
        assert(rows.at[i].count > 0 && rows.at[i].count <= UINT64_C(1) << 40);
    char *written = ledger_text(&rows);
    assert(ledger_text_read(written, 20000, "dest.example", &again, &why) == 0);
    assert(again.n == rows.n);
    for (size_t i = 0; i < rows.n; i++)
        assert(strcmp(again.at[i].entry->reason, rows.at[i].entry->reason) == 0);
    ledger_rows_free(&rows);
    ledger_rows_free(&again);
    free(written);
    free(text);
    return 0;
}
