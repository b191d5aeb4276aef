// SPDX-License-Identifier: ISC
// Any bytes as an address that mail comes back to, and as one that is rewritten: nothing is believed that was not
// signed, and what was signed comes back as it was.
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "relay/returns/srs.h"
#include "relay/returns/verp.h"
#include "relay/smtp/command.h"

#define NOW 1795780000LL
#define ID  ((uint64_t)NOW * 1000000 << 8)

static void forged(const struct srs *srs, const struct verp *verp, const char *address)
{
    struct why why;
    uint64_t id;
    struct buf out;
    buf_init(&out, 4096);
    // A digest of 27 characters is not guessed.
    assert(srs_reverse(srs, address, NOW, &out, &why) < 0);
    assert(verp_read(verp, address, NOW, &id, &out, &why) < 0);
    assert(out.len == 0);
    buf_free(&out);
}

static void there_and_back(const struct srs *srs, const struct verp *verp, const char *address)
{
    struct why why;
    uint64_t id;
    struct buf out, back;
    struct smtp_path path;
    buf_init(&out, 4096);
    buf_init(&back, 4096);
    if (srs_forward(srs, address, NOW, &out) == 0) {
        assert(smtp_mailbox_parse(buf_span(&out), &path, &why) == 0);
        assert(srs_is(path.address));
        // What another forwarder wrote may be too old or no address at all.
        if (srs_reverse(srs, path.address, NOW, &back, &why) < 0)
            assert(strstr(path.address, "SRS1="));
        smtp_path_free(&path);
    }
    buf_reset(&out);
    buf_reset(&back);
    if (verp_make(verp, ID, address, &out) == 0) {
        assert(smtp_mailbox_parse(buf_span(&out), &path, &why) == 0);
        assert(verp_read(verp, path.address, NOW, &id, &back, &why) == 0 && id == ID);
        smtp_path_free(&path);
        assert(smtp_mailbox_parse(buf_span(&back), &path, &why) == 0);
        smtp_path_free(&path);
    }
    buf_free(&out);
    buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct secrets *secrets;
    struct why why;
    struct smtp_path path;
    if (!secrets)
        secrets = secrets_parse(span_text("the secret of the fuzzer"), "f", &why);
    struct srs srs = {"own.example", secrets, 21, 27};
    struct verp verp = {"own.example", secrets, 86400};
    if (smtp_mailbox_parse(span_of(data, size), &path, &why) < 0)
        return 0;
    forged(&srs, &verp, path.address);
    there_and_back(&srs, &verp, path.address);
    smtp_path_free(&path);
    return 0;
}
