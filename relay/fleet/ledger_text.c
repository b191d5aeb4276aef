// SPDX-License-Identifier: ISC
// {"s": [[type, domain, string, patterns], …], "r": [[s, host, result, refused, shadow, demand, source, proof, count,
// last, mx_ip, local_ip, helo, reason], …]}: policies stand once, rows name them by their place.
#include "relay/fleet/ledger_text.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/log/json.h"

#define ROW_TEXTS   9
#define ROW_ITEMS   14
#define COUNT_MOST  (INT64_C(1) << 40) // so that sums of all rows fit
#define TIME_MOST   (INT64_C(1) << 53)
#define ROWS_MOST   100000
#define POLICY_MOST 131072 // bytes of a policy's text
#define WORDS_MOST  8192   // of any other

// ---- out

static bool is_same_policy(const struct ledger_entry *a, const struct ledger_entry *b)
{
    return a->policy_type == b->policy_type && strcmp(a->policy_domain, b->policy_domain) == 0 &&
           strcmp(a->policy_string, b->policy_string) == 0 &&
           strcmp(a->mx_patterns, b->mx_patterns) == 0;
}

// The place of its policy among those before it; `first`: the row that brought each.
static size_t place_of(const struct ledger_rows *rows, const size_t *first, size_t n, size_t row)
{
    size_t i = 0;
    while (i < n && !is_same_policy(rows->at[first[i]].entry, rows->at[row].entry))
        i++;
    return i;
}

static json_t *ledger_text_policy(const struct ledger_entry *f)
{
    return json_pack("[i, o, o, o]", (int)f->policy_type, json_text(f->policy_domain),
                     json_text(f->policy_string), json_text(f->mx_patterns));
}

static json_t *ledger_text_row(const struct ledger_row *row, size_t policy)
{
    const struct ledger_entry *f = row->entry;
    return json_pack(
        "[I, o, o, b, b, o, o, o, I, I, o, o, o, o]", (json_int_t)policy, json_text(f->mx_host),
        json_text(why_tls_word(f->result)), (int)f->refused, (int)f->shadow, json_text(f->demand),
        json_text(f->source), json_text(f->proof), (json_int_t)row->count, (json_int_t)f->time_ms,
        json_text(f->mx_ip), json_text(f->local_ip), json_text(f->mx_helo), json_text(f->reason));
}

char *ledger_text(const struct ledger_rows *rows)
{
    json_t *policies = json_array(), *list = json_array();
    size_t *first = mem_new((rows->n + 1) * sizeof *first), n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        size_t place = place_of(rows, first, n, i);
        if (place == n) {
            first[n++] = i;
            json_array_append_new(policies, ledger_text_policy(rows->at[i].entry));
        }
        json_array_append_new(list, ledger_text_row(&rows->at[i], place));
    }
    free(first);
    json_t *j = json_pack("{s:o, s:o}", "s", policies, "r", list);
    char *out = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    return out;
}

// ---- in

// NULL: there is no such text.
static const char *ledger_text_at(const json_t *list, size_t i, size_t most)
{
    const json_t *j = json_array_get(list, i);
    const char *text = json_string_value(j);
    return text && json_string_length(j) <= most && strlen(text) == json_string_length(j) ? text
                                                                                          : NULL;
}

static bool number_at(const json_t *list, size_t i, int64_t least, int64_t most, int64_t *out)
{
    const json_t *j = json_array_get(list, i);
    *out = json_integer_value(j);
    return json_is_integer(j) && *out >= least && *out <= most;
}

static bool take_texts(struct ledger_entry *f, const json_t *row, const json_t *policy)
{
    char **const texts[ROW_TEXTS] = {&f->mx_host,  &f->demand,  &f->source, &f->proof, &f->mx_ip,
                                     &f->local_ip, &f->mx_helo, &f->reason, NULL};
    static const size_t places[ROW_TEXTS] = {1, 5, 6, 7, 10, 11, 12, 13, 0};
    char **const policies[] = {&f->policy_domain, &f->policy_string, &f->mx_patterns};
    for (size_t i = 0; texts[i]; i++) {
        const char *text = ledger_text_at(row, places[i], WORDS_MOST);
        if (!text)
            return false;
        ledger_entry_set(texts[i], text);
    }
    for (size_t i = 0; i < 3; i++) {
        const char *text = ledger_text_at(policy, i + 1, POLICY_MOST);
        if (!text)
            return false;
        ledger_entry_set(policies[i], text);
    }
    return true;
}

// A type of failure that this program does not know is a failure all the same.
static enum why_tls result_of(const char *word)
{
    enum why_tls result = why_tls_parse(word);
    return result == WHY_TLS_NONE && word[0] ? WHY_VALIDATION_FAILURE : result;
}

static bool ledger_take_row(const json_t *row, const json_t *policies, struct ledger_row *out)
{
    struct ledger_entry *f = out->entry;
    int64_t place, type, count;
    const char *result = ledger_text_at(row, 2, WORDS_MOST);
    const json_t *refused = json_array_get(row, 3), *shadow = json_array_get(row, 4);
    if (json_array_size(row) != ROW_ITEMS || !result || !json_is_boolean(refused) ||
        !json_is_boolean(shadow) || !number_at(row, 0, 0, ROWS_MOST, &place) ||
        !number_at(row, 8, 1, COUNT_MOST, &count) || !number_at(row, 9, 0, TIME_MOST, &f->time_ms))
        return false;
    const json_t *policy = json_array_get(policies, (size_t)place);
    if (!number_at(policy, 0, POLICY_NONE_FOUND, POLICY_TLSA, &type))
        return false;
    f->policy_type = (enum policy_type)type;
    f->result = result_of(result);
    f->refused = json_is_true(refused);
    f->shadow = json_is_true(shadow);
    out->count = (uint64_t)count;
    return take_texts(f, row, policy);
}

static void hand_over(struct ledger_rows *from, struct ledger_rows *to)
{
    for (size_t i = 0; i < from->n; i++)
        ledger_rows_add(to, &from->at[i]);
    from->n = 0;
}

int ledger_text_read(const char *text, int64_t day, const char *domain, struct ledger_rows *out,
                     struct why *why)
{
    struct ledger_rows rows = {0};
    json_t *j = json_loads(text, 0, NULL);
    const json_t *list = json_object_get(j, "r"), *policies = json_object_get(j, "s"), *row;
    bool good = json_is_array(list) && json_array_size(list) <= ROWS_MOST;
    size_t i;
    json_array_foreach (list, i, row) {
        struct ledger_row one = {.entry = ledger_entry_new(), .day = day};
        ledger_entry_set(&one.entry->domain, domain);
        good = good && ledger_take_row(row, policies, &one);
        ledger_rows_add(&rows, &one);
        if (!good)
            break;
    }
    json_decref(j);
    if (good)
        hand_over(&rows, out);
    ledger_rows_free(&rows);
    return good ? 0
                : why_set(why, WHY_OURS, "4.3.0", "what stands there of %s is no row of a ledger",
                          domain);
}
