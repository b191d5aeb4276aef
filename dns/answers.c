// SPDX-License-Identifier: ISC
// The answer file: what it says about a name. The JSON side is in dns/answers_load.c.
#include "dns/answers.h"

#include <stdlib.h>
#include <string.h>
#include "dns/answers_table.h"
#include "dns/name.h"
#include "dns/rdata.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/base/table.h"

// One table for all that is said about a name: its record sets, its errors, its proofs.
struct node {
    UT_hash_handle hh;
    struct said *said;
    bool exists; // has records, or names below it have: not NXDOMAIN
    char name[];
};

struct page {
    UT_hash_handle hh;
    int status;
    char *type, *body, *error;
    char host[];
};

struct answers {
    struct node *nodes;
    struct page *pages;
};

struct answers *answers_new(void)
{
    return mem_new(sizeof(struct answers));
}

static void said_free(struct said *said)
{
    while (said) {
        struct said *next = said->next;
        dns_answer_unref(said->set);
        free(said);
        said = next;
    }
}

void answers_free(struct answers *answers)
{
    if (!answers)
        return;
    struct node *node, *node_next;
    HASH_ITER (hh, answers->nodes, node, node_next) {
        HASH_DEL(answers->nodes, node);
        said_free(node->said);
        free(node);
    }
    struct page *page, *page_next;
    HASH_ITER (hh, answers->pages, page, page_next) {
        HASH_DEL(answers->pages, page);
        free(page->type);
        free(page->body);
        free(page->error);
        free(page);
    }
    free(answers);
}

static struct node *node_find(const struct answers *answers, const char *name)
{
    struct node *node;
    HASH_FIND(hh, answers->nodes, name, strlen(name), node);
    return node;
}

static struct node *node_make(struct answers *answers, const char *name)
{
    struct node *node = node_find(answers, name);
    if (node)
        return node;
    size_t n = strlen(name);
    node = mem_new(sizeof *node + n + 1);
    memcpy(node->name, name, n);
    HASH_ADD_KEYPTR(hh, answers->nodes, node->name, n, node);
    return node;
}

static const struct said *said_find(const struct answers *answers, const char *name,
                                    enum said_kind kind, uint16_t type)
{
    const struct node *node = node_find(answers, name);
    for (const struct said *s = node ? node->said : NULL; s; s = s->next)
        if (s->kind == kind && s->type == type)
            return s;
    return NULL;
}

struct said *answers_say(struct answers *answers, const char *name, enum said_kind kind,
                         uint16_t type)
{
    struct node *node = node_make(answers, name);
    struct said *said = mem_new(sizeof *said);
    said->kind = kind;
    said->type = type;
    said->next = node->said;
    node->said = said;
    return said;
}

void answers_exists(struct answers *answers, const char *name)
{
    node_make(answers, name)->exists = true;
    for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.'))
        node_make(answers, dot + 1)->exists = true;
}

int answers_page(struct answers *answers, const char *host, int status, const char *type,
                 const char *body, const char *error)
{
    struct page *page;
    size_t n = strlen(host);
    HASH_FIND(hh, answers->pages, host, n, page);
    if (page)
        return -1;
    page = mem_new(sizeof *page + n + 1);
    memcpy(page->host, host, n);
    page->status = status;
    page->type = mem_dup(type);
    page->body = mem_dup(body);
    page->error = mem_dup(error);
    HASH_ADD_KEYPTR(hh, answers->pages, page->host, n, page);
    return 0;
}

bool answers_https(const struct answers *answers, const char *host, int *status, const char **type,
                   const char **body, const char **error)
{
    char normal[NAME_TEXT];
    struct page *page = NULL;
    if (name_normal(host, normal))
        HASH_FIND(hh, answers->pages, normal, strlen(normal), page);
    if (!page)
        return false;
    *status = page->status;
    *type = page->type;
    *body = page->body;
    *error = page->error;
    return true;
}

// secure, or not: the most specific statement wins, and insecure wins a tie.
static bool is_secure(const struct answers *answers, const char *name, uint16_t type)
{
    const struct {
        const char *name;
        uint16_t type;
    } from[] = {{name, type}, {name, SAID_ANY_TYPE}, {SAID_ANY_NAME, SAID_ANY_TYPE}};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        if (said_find(answers, from[i].name, SAID_INSECURE, from[i].type))
            return false;
        if (said_find(answers, from[i].name, SAID_SECURE, from[i].type))
            return true;
    }
    return false;
}

static void absent(struct dns_answer *a, bool nxdomain)
{
    a->outcome = DNS_ABSENT;
    a->nxdomain = nxdomain;
}

static void answers_failed(struct dns_answer *a, const char *name, enum said_error error)
{
    static const char *const words[] = {
        [SAID_SERVFAIL] = "the name server answered SERVFAIL",
        [SAID_TIMEOUT] = "no answer in time",
        [SAID_BOGUS] = "DNSSEC validation failed (bogus)",
        [SAID_REFUSED] = "the name server refused the query",
    };
    a->outcome = DNS_FAILED;
    a->proof = error == SAID_BOGUS ? DNS_BOGUS : DNS_UNPROVEN;
    why_say(&a->why, LOOKUP_FAILED, dns_type_word(a->type), name[0] ? name : ".", words[error]);
}

static void fail_as(struct dns_answer *a, const char *name, enum said_error error)
{
    if (error == SAID_NXDOMAIN || error == SAID_NODATA)
        absent(a, error == SAID_NXDOMAIN);
    else
        answers_failed(a, name, error);
}

static void answers_found(struct dns_answer *a, const struct said *set)
{
    a->outcome = DNS_FOUND;
    for (size_t i = 0; i < set->set->nrecords; i++)
        dns_answer_add(a, set->set->records[i].rdata.p, set->set->records[i].rdata.n);
}

// What `name` itself says; returns the target's text where it is an alias to be followed.
static bool answers_step(const struct answers *answers, struct dns_answer *a, const char *name,
                         char target[static 256])
{
    const struct said *error = said_find(answers, name, SAID_ERROR, a->type);
    const struct said *set = said_find(answers, name, SAID_RECORDS, a->type);
    const struct said *cname = said_find(answers, name, SAID_RECORDS, DNS_CNAME);
    if (error) {
        fail_as(a, name, error->error);
    } else if (set) {
        answers_found(a, set);
    } else if (cname && rdata_name(cname->set->records[0].rdata, target)) {
        return true;
    } else if ((error = said_find(answers, name, SAID_ERROR, SAID_ANY_TYPE))) {
        fail_as(a, name, error->error);
    } else {
        const struct node *node = node_find(answers, name);
        absent(a, !node || !node->exists);
    }
    return false;
}

struct dns_answer *answers_ask(const struct answers *answers, const char *name, uint16_t type)
{
    struct dns_answer *a = dns_answer_new(name, type);
    char at[256], target[256];
    a->ttl = ANSWERS_TTL;
    a->proof = DNS_INSECURE;
    if (!name_normal(name, at)) {
        absent(a, true);
        return a;
    }
    bool secure = true;
    for (int hop = 0; answers_step(answers, a, at, target); hop++) {
        bool hop_secure = is_secure(answers, at, DNS_CNAME);
        if (hop == 0) {
            a->alias = true;
            a->alias_secure = hop_secure;
        }
        secure = secure && hop_secure;
        if (hop == MAX_CNAME) {
            a->outcome = DNS_FAILED;
            a->proof = DNS_UNPROVEN;
            why_say(&a->why, LOOKUP_FAILED, dns_type_word(type), a->name, "too many aliases");
            return a;
        }
        memcpy(at, target, sizeof at);
    }
    free(a->canonical);
    a->canonical = mem_dup(at);
    if (a->outcome != DNS_FAILED && secure && is_secure(answers, at, type))
        a->proof = DNS_SECURE;
    return a;
}
