// SPDX-License-Identifier: ISC
// `waxwing message verify` and `seal`: what is true of a message file, and a seal over it.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/maxima.h"
#include "relay/base/utf8.h"
#include "relay/command/command.h"
#include "relay/command/dns.h"
#include "relay/command/message_verbs.h"
#include "relay/command/options.h"
#include "sign/message_auth.h"

struct evaluation {
    struct message_auth *auth;
    struct facts *facts;
};

static bool message_verify_again(void *arg)
{
    struct evaluation *e = arg;
    return message_auth_evaluate(e->auth, e->facts);
}

static int message_verify_failed(const struct why *why, int status)
{
    fprintf(stderr, "waxwing message: %s\n", why->text);
    return status;
}

// Reads the body through and asks the DNS. NULL: *status says why not, printed.
static struct message_auth *message_verify_evaluate(const struct message_options *o,
                                                    struct message_file *f, int *status)
{
    struct message_auth_input in = {
        .header = &f->header,
        .authserv_id = o->authserv_id ? o->authserv_id : "localhost",
        .helo = o->helo,
        .mail_from = o->mail_from,
        .min_rsa_bits = o->min_rsa_bits,
        .trust_own_results = o->cv_from_results,
        .now_s = clock_s(),
        .has_client = o->ip,
    };
    if (o->ip && !command_read_address(o->ip, &in.client)) {
        *status = command_usage_error("message", "--ip cannot be '%s'", o->ip);
        return NULL;
    }
    struct dns *dns = command_dns("message", o->dns_file, o->resolver, status);
    if (!dns)
        return NULL;
    struct evaluation e = {message_auth_new(&in), facts_new()};
    if (message_file_hash(f, message_auth_hashes(e.auth)) == 0) {
        dns_evaluate_blocking(dns, e.facts, message_verify_again, &e);
    } else {
        *status = EXIT_DATA;
        message_auth_free(e.auth);
        e.auth = NULL;
    }
    facts_free(e.facts);
    dns_close(dns);
    return e.auth;
}

// What a message says may be no UTF-8, which JSON has to be; well-formed UTF-8 is written as it is.
static json_t *message_verify_text(struct span s)
{
    struct buf clean;
    buf_init(&clean, s.n + 1);
    while (s.n) {
        size_t n = utf8_length(s);
        if (n > 1 || (n == 1 && s.p[0] >= 32 && s.p[0] != 127))
            buf_add(&clean, s.p, n);
        else
            buf_addc(&clean, '?');
        s = span_from(s, n ? n : 1);
    }
    json_t *string = json_stringn(buf_text(&clean), clean.len);
    buf_free(&clean);
    return string;
}

static json_t *tag_text(const struct signature *s, const char *name)
{
    const struct tag *tag = tags_find(&s->tags, name);
    return message_verify_text(tag ? tag->value : span_text(""));
}

static json_t *dkim_json(const struct message_auth *a)
{
    json_t *list = json_array();
    for (size_t i = 0; i < dkim_checks_count(message_auth_dkim(a)); i++) {
        const struct signature *s = dkim_checks_at(message_auth_dkim(a), i);
        json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o, s:o, s:i, s:o}", "result",
                                              auth_result_word(s->result), "d", tag_text(s, "d"),
                                              "s", tag_text(s, "s"), "i", tag_text(s, "i"), "a",
                                              tag_text(s, "a"), "bits", (int)s->bits, "reason",
                                              message_verify_text(span_text(s->reason))));
    }
    return list;
}

static void message_verify_print_json(const struct message_auth *a)
{
    const struct arc_chain *chain = message_auth_chain(a);
    const char *reason, *explanation, *domain, *org;
    enum auth_result spf = message_auth_spf_found(a, &reason, &explanation);
    enum auth_result dmarc = message_auth_dmarc_found(a, &domain, &org);
    json_t *all = json_pack(
        "{s:o, s:{s:s, s:i, s:i, s:o}, s:{s:s, s:o, s:o}, s:{s:s, s:s, s:o, s:o}}", "dkim",
        dkim_json(a), "arc", "cv", arc_cv_word(arc_result(chain)), "instances",
        (int)arc_instances(chain), "oldest_pass", (int)arc_oldest_pass(chain), "reason",
        message_verify_text(span_text(arc_reason(chain))), "spf", "result", auth_result_word(spf),
        "reason", message_verify_text(span_text(reason)), "explanation",
        message_verify_text(span_text(explanation)), "dmarc", "result", auth_result_word(dmarc),
        "policy", message_auth_dmarc_policy(a), "domain", message_verify_text(span_text(domain)),
        "org", message_verify_text(span_text(org)));
    json_dumpf(all, stdout, 0);
    putchar('\n');
    json_decref(all);
}

int message_verify(const struct message_options *o)
{
    struct message_file f;
    int rc = message_file_open(&f, o->file, false);
    if (rc != EXIT_YES)
        return rc;
    struct message_auth *a = message_verify_evaluate(o, &f, &rc);
    struct buf field;
    buf_init(&field, MAX_PREFIX);
    if (a && o->json)
        message_verify_print_json(a);
    else if (a && message_auth_results(a, &field) == 0)
        message_file_field(&f, buf_span(&field), stdout);
    buf_free(&field);
    message_auth_free(a);
    message_file_close(&f);
    return rc;
}

// The three fields with an empty line between; before the message with nothing between.
static void print_set(const struct message_file *f, struct span set, bool apart)
{
    struct header fields;
    struct why why;
    size_t used;
    if (header_parse(&fields, set, &used, &why) < 0)
        return;
    for (size_t i = 0; i < fields.n; i++) {
        if (i && apart)
            message_file_field(f, span_text("\r\n"), stdout);
        message_file_field(f, fields.fields[i].whole, stdout);
    }
    header_free(&fields);
}

static int print_sealed(const struct message_options *o, struct message_file *f,
                        const struct message_auth *a, struct span set)
{
    print_set(f, set, !o->full);
    if (!o->full)
        return EXIT_YES;
    bool *left_out = calloc(f->header.n + 1, sizeof *left_out);
    size_t field;
    for (size_t i = 0; left_out && message_auth_left_out(a, i, &field); i++)
        left_out[field] = true;
    int rc = left_out && message_file_copy(f, left_out, stdout) == 0 ? EXIT_YES : EXIT_FAULT;
    free(left_out);
    return rc;
}

static int seal_file(const struct message_options *o, const struct sign_key *key,
                     struct message_file *f)
{
    int rc;
    struct message_auth *a = message_verify_evaluate(o, f, &rc);
    if (!a)
        return rc;
    struct seal how = {.domain = o->domain,
                       .selector = o->selector,
                       .key = key,
                       .headers = o->headers,
                       .time = o->time};
    struct buf set;
    struct why why;
    buf_init(&set, MAX_PREFIX);
    if (message_auth_seal(a, &how, &set, &why) < 0)
        rc = message_verify_failed(&why, EXIT_DATA);
    else
        rc = set.len ? print_sealed(o, f, a, buf_span(&set)) : EXIT_NO;
    buf_free(&set);
    message_auth_free(a);
    return rc;
}

int message_seal(const struct message_options *o)
{
    if (!o->domain || !o->selector || !o->key || !o->authserv_id)
        return command_usage_error("message",
                                   "seal needs --domain, --selector, --key and --authserv-id");
    struct why why;
    struct sign_key *key = sign_key_load(o->key, &why);
    if (!key)
        return message_verify_failed(&why, EXIT_CONFIG);
    struct message_file f;
    int rc = message_file_open(&f, o->file, o->full);
    if (rc == EXIT_YES) {
        rc = seal_file(o, key, &f);
        message_file_close(&f);
    }
    sign_key_unref(key);
    return rc;
}
