// SPDX-License-Identifier: ISC
// The table of answers behind a pure evaluation: hashed for asking, a list for the order of asking.
#include "dns/facts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "dns/name.h"
#include "relay/base/clock.h"
#include "relay/base/list.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "relay/base/table.h"

struct question {
    UT_hash_handle hh;
    struct list order; // in facts.order from the first ask or put
    struct dns_answer *answer;
    bool asked;
    uint32_t ttl; // what was left of it when the answer came
    size_t nkey;
    char key[]; // type, two bytes, then the name with its NUL
};

struct facts {
    struct question *table;
    struct list order;
};

struct facts *facts_new(void)
{
    struct facts *facts = mem_new(sizeof *facts);
    list_init(&facts->order);
    return facts;
}

void facts_free(struct facts *facts)
{
    if (!facts)
        return;
    HASH_CLEAR(hh, facts->table);
    list_each_safe (it, &facts->order) {
        struct question *q = list_of(it, struct question, order);
        dns_answer_unref(q->answer);
        free(q);
    }
    free(facts);
}

static uint16_t type_of(const struct question *q)
{
    uint16_t type;
    memcpy(&type, q->key, sizeof type);
    return type;
}

// The entry of a question, made when missing. `name` in lower case, without final dot.
static struct question *entry(struct facts *facts, const char *name, uint16_t type)
{
    size_t nname = strlen(name) + 1, nkey = sizeof type + nname;
    struct question *fresh = mem_new(sizeof *fresh + nkey), *old;
    memcpy(fresh->key, &type, sizeof type);
    memcpy(fresh->key + sizeof type, name, nname);
    fresh->nkey = nkey;
    HASH_FIND(hh, facts->table, fresh->key, nkey, old);
    if (old) {
        free(fresh);
        return old;
    }
    HASH_ADD_KEYPTR(hh, facts->table, fresh->key, nkey, fresh);
    list_init(&fresh->order);
    list_append(&facts->order, &fresh->order);
    return fresh;
}

static struct dns_answer *cannot_be_asked(const char *name, uint16_t type)
{
    struct dns_answer *answer = dns_answer_new(name, type);
    answer->outcome = DNS_ABSENT;
    answer->proof = DNS_INSECURE;
    answer->nxdomain = true;
    answer->ttl = MAX_TTL;
    return answer;
}

const struct dns_answer *facts_ask(struct facts *facts, const char *name, uint16_t type)
{
    char normal[NAME_TEXT];
    struct question *q;
    if (name_normal(name, normal)) {
        q = entry(facts, normal, type);
    } else {
        char *lower = name_lower(name);
        q = entry(facts, lower, type);
        free(lower);
        if (!q->answer)
            q->answer = cannot_be_asked(name, type);
        q->ttl = q->answer->ttl;
    }
    if (!q->asked) { // what was put before anybody asked takes its place in the order now
        q->asked = true;
        list_append(&facts->order, &q->order);
    }
    return q->answer;
}

bool facts_wanted(const struct facts *facts, size_t i, const char **name, uint16_t *type)
{
    list_each (it, &facts->order) {
        const struct question *q = list_of(it, struct question, order);
        if (q->answer || i-- > 0)
            continue;
        *name = q->key + sizeof *type;
        *type = type_of(q);
        return true;
    }
    return false;
}

size_t facts_count_wanted(const struct facts *facts)
{
    size_t n = 0;
    list_each (it, &facts->order) {
        n += !list_of(it, struct question, order)->answer;
    }
    return n;
}

void facts_put(struct facts *facts, struct dns_answer *answer)
{
    assert(answer);
    struct question *q = entry(facts, answer->name, answer->type);
    // An evaluation may still point into the answer it was given: the first one stays.
    if (q->answer) {
        dns_answer_unref(answer);
        return;
    }
    q->answer = answer;
    q->ttl = answer->ttl;
    if (answer->expires_ms == 0)
        return;
    int64_t left = (answer->expires_ms - (int64_t)clock_mono_ms()) / 1000;
    if (left < (int64_t)q->ttl)
        q->ttl = left > 0 ? (uint32_t)left : 0;
}

uint32_t facts_ttl(const struct facts *facts, uint32_t otherwise)
{
    bool any = false;
    uint32_t least = MAX_TTL;
    list_each (it, &facts->order) {
        const struct question *q = list_of(it, struct question, order);
        if (!q->answer || !q->asked)
            continue;
        any = true;
        if (q->ttl < least)
            least = q->ttl;
    }
    return any ? least : otherwise;
}

const struct dns_answer *facts_at(const struct facts *facts, size_t i)
{
    list_each (it, &facts->order) {
        const struct question *q = list_of(it, struct question, order);
        if (q->answer && i-- == 0)
            return q->answer;
    }
    return NULL;
}
