// SPDX-License-Identifier: ISC
// Every usage, selector and matching type, for every certificate of a small world, against every chain that a
// server might send of it: with key identifiers and without, cross-signed, in odd order, with an attacker's
// certificates between. What must hold is worked out from who signed whom, not from certificates.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/certs.h"
#include "tls/dane.h"

#define HOST "mx.example.org"

// A cross-signed twin has the key and the subject of its original, and another issuer.
enum who { ROOT, ROOT_TWIN, OLD_ROOT, SUB, SUB_TWIN, LEAF, LONE, EVIL_ROOT, EVIL_LEAF, EVERYONE };

static const struct {
    const char *name;
    enum who key, signer; // whose key it holds, whose key signed it
    bool ca;
} people[EVERYONE] = {
    [ROOT] = {"root", ROOT, ROOT, true},
    [OLD_ROOT] = {"old root", OLD_ROOT, OLD_ROOT, true},
    [ROOT_TWIN] = {"root", ROOT, OLD_ROOT, true},
    [SUB] = {"sub", SUB, ROOT, true},
    [SUB_TWIN] = {"sub", SUB, OLD_ROOT, true},
    [LEAF] = {"leaf", LEAF, SUB, false},
    [LONE] = {"lone", LONE, LONE, false},
    [EVIL_ROOT] = {"root", EVIL_ROOT, EVIL_ROOT, true}, // calls itself like the real one
    [EVIL_LEAF] = {"leaf", EVIL_LEAF, EVIL_ROOT, false},
};

#define END EVERYONE
static const enum who chains[][7] = {
    {LEAF, END},
    {LEAF, SUB, END},
    {LEAF, SUB, ROOT, END},
    {LEAF, SUB, ROOT_TWIN, END}, // the commonest: the issuing CA, a cross-signed root behind it
    {LEAF, SUB, ROOT_TWIN, OLD_ROOT, END},
    {LEAF, SUB_TWIN, END},
    {LEAF, SUB_TWIN, OLD_ROOT, END},
    {LEAF, SUB, SUB_TWIN, ROOT, OLD_ROOT, END},
    {LEAF, SUB_TWIN, SUB, ROOT, END},
    {LEAF, ROOT, SUB, END},
    {LEAF, OLD_ROOT, ROOT_TWIN, EVIL_ROOT, SUB, END},
    {LEAF, ROOT, END},
    {LONE, END},
    {LONE, ROOT, SUB, END},
    {EVIL_LEAF, EVIL_ROOT, END},
    {EVIL_LEAF, EVIL_ROOT, SUB, ROOT, END},
    {EVIL_LEAF, LEAF, SUB, ROOT, LONE, END},
};

static struct cert made[2][EVERYONE]; // without key identifiers, with them

static int set_up(void **state)
{
    (void)state;
    static const enum who order[] = {ROOT,     OLD_ROOT, EVIL_ROOT, ROOT_TWIN, SUB,
                                     SUB_TWIN, LEAF,     LONE,      EVIL_LEAF};
    for (int ids = 0; ids < 2; ids++)
        for (size_t i = 0; i < EVERYONE; i++) {
            enum who w = order[i];
            struct cert_spec spec = {.cn = people[w].name, .ca = people[w].ca, .ids = ids};
            if (!people[w].ca)
                spec.san[0] = HOST;
            if (people[w].signer != w)
                spec.issuer = &made[ids][people[w].signer];
            if (people[w].key != w)
                spec.reuse = &made[ids][people[w].key];
            cert_make(&made[ids][w], &spec);
        }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int ids = 0; ids < 2; ids++)
        for (size_t i = 0; i < EVERYONE; i++)
            cert_free(&made[ids][i]);
    return 0;
}

static bool sent(const enum who *chain, enum who w, int selector)
{
    for (; *chain != END; chain++)
        if (selector ? people[*chain].key == people[w].key : *chain == w)
            return true;
    return false;
}

// The keys that the leaf leads to: whose key signed it, and whose key signed the holders of those.
static bool leads_to(const enum who *chain, enum who key)
{
    bool reached[EVERYONE] = {false};
    reached[people[chain[0]].signer] = people[chain[0]].ca || people[chain[0]].signer != chain[0];
    for (int round = 0; round < EVERYONE; round++)
        for (const enum who *c = chain + 1; *c != END; c++)
            if (reached[people[*c].key] && people[*c].ca)
                reached[people[*c].signer] = true;
    return reached[key];
}

static bool must_hold(const enum who *chain, int usage, int selector, int matching, enum who w)
{
    if (usage == 3)
        return selector ? people[w].key == people[chain[0]].key : w == chain[0];
    if (w == LONE && chain[0] == LONE) // its own authority
        return true;
    // A digest tells nobody who its anchor is: that must have been sent.
    return (matching == 0 || sent(chain, w, selector)) && leads_to(chain, people[w].key);
}

static struct dns_tlsa record(int usage, int selector, int matching, const struct cert *c)
{
    static unsigned char digest[64];
    struct span part = selector ? cert_spki(c) : cert_span(c);
    if (matching) {
        gnutls_hash_fast(matching == 1 ? GNUTLS_DIG_SHA256 : GNUTLS_DIG_SHA512, part.p, part.n,
                         digest);
        part = span_of(digest, matching == 1 ? 32 : 64);
    }
    return (struct dns_tlsa){(uint8_t)usage, (uint8_t)selector, (uint8_t)matching, part};
}

static bool holds(int ids, const enum who *chain, const struct dns_tlsa *tlsa, struct why *why)
{
    struct span der[8];
    size_t n = 0, depth;
    const char *name = HOST;
    enum tls_proof proof;
    for (; chain[n] != END; n++)
        der[n] = cert_span(&made[ids][chain[n]]);
    why_clear(why);
    return dane_verify(der, n, tlsa, 1, &name, 1, &proof, &depth, why) == 0;
}

static void case_75_every_record_against_every_chain(void **state)
{
    (void)state;
    unsigned tried = 0, held = 0;
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++)
        for (unsigned w = 0; w < EVERYONE; w++)
            for (unsigned kind = 0; kind < 2 * 2 * 3 * 2; kind++) {
                int ids = kind & 1, usage = kind & 2 ? 2 : 3, selector = kind & 4 ? 1 : 0;
                int matching = (int)(kind >> 3);
                struct why why;
                struct dns_tlsa tlsa = record(usage, selector, matching, &made[ids][w]);
                bool expected = must_hold(chains[i], usage, selector, matching, w);
                bool got = holds(ids, chains[i], &tlsa, &why);
                if (got != expected)
                    print_error("chain %zu, %d %d %d of %u (%s), identifiers %d: %s\n", i, usage,
                                selector, matching, w, people[w].name, ids,
                                got ? "held" : why.text);
                assert_int_equal(got, expected);
                tried++;
                held += got;
            }
    assert_in_range(tried, 3000, 4000);
    assert_in_range(held, 500, tried / 2);
}

static void case_75_hostile_chains_cost_a_bounded_amount(void **state)
{
    (void)state;
    // Nine twins that all could have signed each other and none of which leads to the anchor.
    struct cert twins[9], late, leaf;
    cert_make(&late, &(struct cert_spec){.cn = "late", .ca = true});
    for (size_t i = 0; i < 9; i++)
        cert_make(&twins[i],
                  &(struct cert_spec){.cn = "late", .ca = true, .issuer = &late, .reuse = &late});
    cert_make(&leaf, &(struct cert_spec){.cn = "x", .san = {HOST}, .issuer = &late});
    struct span der[10] = {cert_span(&leaf)};
    for (size_t i = 0; i < 9; i++)
        der[i + 1] = cert_span(&twins[i]);
    struct dns_tlsa tlsa = record(2, 0, 0, &made[0][ROOT]);
    const char *name = HOST;
    enum tls_proof proof;
    size_t depth;
    struct why why;
    assert_int_equal(dane_verify(der, 10, &tlsa, 1, &name, 1, &proof, &depth, &why), -1);
    assert_int_equal(why.tls, WHY_CERTIFICATE_NOT_TRUSTED);
    for (size_t i = 0; i < 9; i++)
        cert_free(&twins[i]);
    cert_free(&late);
    cert_free(&leaf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_75_every_record_against_every_chain),
        cmocka_unit_test(case_75_hostile_chains_cost_a_bounded_amount),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
