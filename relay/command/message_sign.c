// SPDX-License-Identifier: ISC
// `waxwing message sign`: one DKIM-Signature over a message file, as the relay would write it.
#include "relay/base/maxima.h"
#include "relay/command/command.h"
#include "relay/command/message_verbs.h"
#include "sign/dkim_sign.h"

static int sign_file(const struct message_options *o, const struct sign_key *key,
                     struct message_file *f)
{
    struct body_hashes *hashes = body_hashes_new();
    body_hashes_want(hashes, o->body_canon, CANON_NO_LIMIT);
    struct dkim_sign how = {
        .domain = o->domain,
        .selector = o->selector,
        .key = key,
        .header_canon = o->header_canon,
        .body_canon = o->body_canon,
        .headers = o->headers,
        .oversign = o->oversign,
        .time = o->time,
        .expire = o->expire,
    };
    struct buf field;
    buf_init(&field, MAX_PREFIX);
    struct why why;
    int rc = EXIT_DATA;
    if (message_file_hash(f, hashes) == 0) {
        if (dkim_sign(&how, &f->header, hashes, &field, &why) < 0) {
            fprintf(stderr, "waxwing message: %s\n", why.text);
        } else {
            message_file_field(f, buf_span(&field), stdout);
            rc = o->full && message_file_copy(f, NULL, stdout) < 0 ? EXIT_FAULT : EXIT_YES;
        }
    }
    buf_free(&field);
    body_hashes_free(hashes);
    return rc;
}

int message_sign(const struct message_options *o)
{
    if (!o->domain || !o->selector || !o->key)
        return command_usage_error("message", "sign needs --domain, --selector and --key");
    struct why why;
    struct sign_key *key = sign_key_load(o->key, &why);
    if (!key) {
        fprintf(stderr, "waxwing message: %s\n", why.text);
        return EXIT_CONFIG;
    }
    struct message_file f;
    int rc = message_file_open(&f, o->file, o->full);
    if (rc == EXIT_YES) {
        rc = sign_file(o, key, &f);
        message_file_close(&f);
    }
    sign_key_unref(key);
    return rc;
}
