// SPDX-License-Identifier: ISC
// Any bytes as a message with ARC sets and DKIM signatures: judged to the end, whatever the DNS says (its
// answers are taken from the last field), and sealed unless the chain is closed.
#include <assert.h>
#include <stdlib.h>
#include "sign/message_auth.h"

static void answer(struct facts *facts, const struct header *h)
{
    const char *name;
    uint16_t type;
    while (facts_wanted(facts, 0, &name, &type)) {
        struct dns_answer *a = dns_answer_new(name, type);
        struct span text = h->n ? h->fields[h->n - 1].value : span_text("");
        unsigned char rdata[256] = {(unsigned char)(text.n < 255 ? text.n : 255)};
        for (size_t i = 0; i < rdata[0]; i++)
            rdata[i + 1] = text.p[i];
        a->outcome = text.n % 5 ? DNS_FOUND : text.n % 2 ? DNS_ABSENT : DNS_FAILED;
        if (a->outcome == DNS_FOUND && type == DNS_TXT)
            dns_answer_add(a, rdata, rdata[0] + 1u);
        facts_put(facts, a);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct why why;
    static struct sign_key *key;
    if (!key)
        key = sign_key_new(KEY_RSA, 1024, &why);
    struct header h;
    size_t used;
    if (header_parse(&h, span_of(data, size), &used, &why) < 0)
        return 0;
    char *ids[] = {(char *)(uintptr_t) "mx.example.org"};
    struct strings trusted = {ids, 1};
    struct message_auth_input in = {.header = &h,
                                    .authserv_id = "relay.example",
                                    .trust_results_of = &trusted,
                                    .now_s = 1000000000};
    struct message_auth *a = message_auth_new(&in);
    body_hashes_feed(message_auth_hashes(a), data + used, size - used);
    body_hashes_finish(message_auth_hashes(a));
    struct facts *facts = facts_new();
    int rounds = 0;
    while (message_auth_evaluate(a, facts) && ++rounds < 100)
        answer(facts, &h);
    assert(rounds < 100);
    struct buf out;
    buf_init(&out, 1 << 20);
    struct seal how = {.domain = "relay.example", .selector = "s", .key = key};
    if (message_auth_results(a, &out) == 0)
        (void)!message_auth_seal(a, &how, &out, &why);
    buf_free(&out);
    facts_free(facts);
    message_auth_free(a);
    header_free(&h);
    return 0;
}
