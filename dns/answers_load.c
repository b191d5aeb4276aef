// SPDX-License-Identifier: ISC
// Reads an answer file: JSON into statements about names. Says what is wrong and where; a file that
// only half says something is refused whole, since a test on a misread world proves nothing.
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dns/answers.h"
#include "dns/answers_table.h"
#include "dns/name.h"
#include "dns/rdata.h"
#include "relay/base/mem.h"

#define MAX_RDATA 65535 // octets, RFC 1035 section 3.2.1

static int answers_load_bad(struct why *why, const char *what, const char *where)
{
    return why_set(why, WHY_OURS, "4.3.5", "answer file: %s: \"%.200s\"", what, where);
}

// Strings of a TXT record; what is longer than 255 octets is cut into several.
static int add_string(struct buf *rdata, const json_t *value)
{
    if (!json_is_string(value))
        return -1;
    const char *p = json_string_value(value);
    size_t n = json_string_length(value);
    do {
        size_t part = n > 255 ? 255 : n;
        if (buf_addc(rdata, (char)part) < 0 || buf_add(rdata, p, part) < 0)
            return -1;
        p += part;
        n -= part;
    } while (n > 0);
    return 0;
}

static int read_txt(const json_t *value, struct buf *rdata)
{
    if (!json_is_array(value))
        return add_string(rdata, value);
    size_t i;
    json_t *chunk;
    json_array_foreach (value, i, chunk) {
        if (add_string(rdata, chunk) < 0)
            return -1;
    }
    return json_array_size(value) > 0 ? 0 : buf_addc(rdata, 0); // [] is one empty string
}

static int read_mx(const json_t *value, struct buf *rdata)
{
    const json_t *preference = json_array_get(value, 0), *host = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !json_is_integer(preference) || !json_is_string(host))
        return -1;
    json_int_t number = json_integer_value(preference);
    if (number < 0 || number > UINT16_MAX)
        return -1;
    buf_addc(rdata, (char)(number >> 8));
    buf_addc(rdata, (char)(number & 255));
    return rdata_name_wire(json_string_value(host), rdata) ? 0 : -1;
}

static int read_address(const char *text, int family, size_t n, struct buf *rdata)
{
    unsigned char address[16];
    return inet_pton(family, text, address) == 1 ? buf_add(rdata, address, n) : -1;
}

static int read_rdata(uint16_t type, const json_t *value, struct buf *rdata)
{
    if (type == DNS_TXT)
        return read_txt(value, rdata);
    if (type == DNS_MX)
        return read_mx(value, rdata);
    const char *text = json_string_value(value);
    if (!text || strlen(text) != json_string_length(value))
        return -1;
    switch (type) {
    case DNS_A:
        return read_address(text, AF_INET, 4, rdata);
    case DNS_AAAA:
        return read_address(text, AF_INET6, 16, rdata);
    case DNS_TLSA:
        return rdata_tlsa_text(text, rdata) ? 0 : -1;
    case DNS_CNAME:
    case DNS_PTR:
    case DNS_NS:
        return rdata_name_wire(text, rdata) ? 0 : -1;
    default:
        return -1;
    }
}

static int read_set(struct answers *answers, const char *name, const char *word, json_t *values,
                    struct why *why)
{
    uint16_t type = dns_type_parse(word);
    if (type == 0 || !json_is_array(values))
        return answers_load_bad(why, "records: not a type with a list", word);
    if (json_array_size(values) == 0)
        return 0;
    struct said *said = answers_say(answers, name, SAID_RECORDS, type);
    said->set = dns_answer_new(name, type);
    struct buf rdata;
    buf_init(&rdata, MAX_RDATA);
    int rc = 0;
    size_t i;
    json_t *value;
    json_array_foreach (values, i, value) {
        buf_reset(&rdata);
        if (read_rdata(type, value, &rdata) < 0) {
            rc = answers_load_bad(why, "records: a value that its type cannot have, at", name);
            break;
        }
        dns_answer_add(said->set, rdata.data, rdata.len);
    }
    buf_free(&rdata);
    return rc;
}

static int read_records(struct answers *answers, json_t *records, struct why *why)
{
    const char *key, *word;
    json_t *sets, *values;
    json_object_foreach (records, key, sets) {
        char name[NAME_TEXT];
        if (!name_normal(key, name) || !json_is_object(sets))
            return answers_load_bad(why, "records: not a name with its types", key);
        answers_exists(answers, name);
        json_object_foreach (sets, word, values) {
            if (read_set(answers, name, word, values, why) < 0)
                return -1;
        }
    }
    return 0;
}

// "name", "name|TYPE", "name|*" or "*".
static int read_subject(const char *key, char name[static NAME_TEXT], uint16_t *type,
                        struct why *why)
{
    char text[NAME_TEXT + 16];
    if (strlen(key) >= sizeof text)
        return answers_load_bad(why, "not a name", key);
    strcpy(text, key);
    char *bar = strrchr(text, '|');
    *type = SAID_ANY_TYPE;
    if (bar) {
        *bar = '\0';
        if (strcmp(bar + 1, "*") != 0 && (*type = dns_type_parse(bar + 1)) == 0)
            return answers_load_bad(why, "not a type", key);
    }
    return name_normal(text, name) ? 0 : answers_load_bad(why, "not a name", key);
}

static int read_errors(struct answers *answers, json_t *errors, struct why *why)
{
    static const char *const words[] = {
        [SAID_NXDOMAIN] = "NXDOMAIN", [SAID_NODATA] = "NODATA", [SAID_SERVFAIL] = "SERVFAIL",
        [SAID_TIMEOUT] = "TIMEOUT",   [SAID_BOGUS] = "BOGUS",   [SAID_REFUSED] = "REFUSED"};
    const char *key;
    json_t *value;
    json_object_foreach (errors, key, value) {
        char name[NAME_TEXT];
        uint16_t type;
        if (read_subject(key, name, &type, why) < 0)
            return -1;
        struct span word = span_text(json_string_value(value));
        size_t i = 0, n = sizeof words / sizeof *words;
        while (i < n && !span_is_nocase(word, words[i]))
            i++;
        if (i == n)
            return answers_load_bad(why, "errors: not an error word, at", key);
        answers_say(answers, name, SAID_ERROR, type)->error = (enum said_error)i;
    }
    return 0;
}

static int read_proofs(struct answers *answers, json_t *list, enum said_kind kind, struct why *why)
{
    size_t i;
    json_t *value;
    json_array_foreach (list, i, value) {
        char name[NAME_TEXT];
        uint16_t type;
        if (!json_is_string(value))
            return answers_load_bad(why, "a list of names holds something else",
                                    "secure or insecure");
        if (read_subject(json_string_value(value), name, &type, why) < 0)
            return -1;
        answers_say(answers, name, kind, type);
    }
    return 0;
}

static int read_pages(struct answers *answers, json_t *pages, struct why *why)
{
    const char *key;
    json_t *value;
    json_object_foreach (pages, key, value) {
        char host[NAME_TEXT];
        if (!name_normal(key, host) || !json_is_object(value))
            return answers_load_bad(why, "https: not a host with its answer", key);
        const char *error = json_string_value(json_object_get(value, "error"));
        const char *type = json_string_value(json_object_get(value, "type"));
        const char *body = json_string_value(json_object_get(value, "body"));
        const json_t *status = json_object_get(value, "status");
        if (!error && !json_is_integer(status))
            return answers_load_bad(why, "https: neither a status nor an error, at", key);
        if (answers_page(answers, host, error ? 0 : (int)json_integer_value(status),
                         type ? type : "", body ? body : "", error ? error : "") < 0)
            return answers_load_bad(why, "https: a host stands twice", key);
    }
    return 0;
}

static int answers_load_read_all(struct answers *answers, json_t *root, struct why *why)
{
    if (!json_is_object(root))
        return answers_load_bad(why, "not an object", "the outermost value");
    const char *key;
    json_t *value;
    json_object_foreach (root, key, value) {
        bool list = strcmp(key, "secure") == 0 || strcmp(key, "insecure") == 0;
        if (list ? !json_is_array(value) : !json_is_object(value))
            return answers_load_bad(why, "not a list or an object, as it should be", key);
        int rc = 0;
        if (strcmp(key, "records") == 0)
            rc = read_records(answers, value, why);
        else if (strcmp(key, "errors") == 0)
            rc = read_errors(answers, value, why);
        else if (list)
            rc = read_proofs(answers, value, key[0] == 's' ? SAID_SECURE : SAID_INSECURE, why);
        else if (strcmp(key, "https") == 0)
            rc = read_pages(answers, value, why);
        else
            rc = answers_load_bad(why, "an unknown part", key);
        if (rc < 0)
            return -1;
    }
    return 0;
}

struct answers *answers_parse(const char *text, size_t n, struct why *why)
{
    json_error_t error;
    json_t *root = json_loadb(text, n, JSON_ALLOW_NUL, &error);
    if (!root) {
        why_set(why, WHY_OURS, "4.3.5", "answer file: line %d, column %d: %s", error.line,
                error.column, error.text);
        return NULL;
    }
    struct answers *answers = answers_new();
    if (answers_load_read_all(answers, root, why) < 0) {
        answers_free(answers);
        answers = NULL;
    }
    json_decref(root);
    return answers;
}

struct answers *answers_load(const char *path, struct why *why)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        why_set(why, WHY_OURS, "4.3.5", "answer file %s: %s", path, strerror(errno));
        return NULL;
    }
    struct buf text;
    buf_init(&text, ANSWERS_FILE_SIZE);
    unsigned char part[65536];
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;)
        if (buf_add(&text, part, n) < 0)
            break;
    struct answers *answers = NULL;
    if (ferror(file) || text.full)
        why_set(why, WHY_OURS, "4.3.5", "answer file %s: %s", path,
                text.full ? "too large" : "cannot be read");
    else
        answers = answers_parse((const char *)text.data, text.len, why);
    fclose(file);
    buf_free(&text);
    return answers;
}
