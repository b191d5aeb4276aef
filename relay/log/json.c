// SPDX-License-Identifier: ISC
// Text for JSON.
#include "relay/log/json.h"

#include <stdlib.h>
#include "relay/base/mem.h"

json_t *json_text(const char *text)
{
    json_t *j = json_string(text ? text : "");
    if (j)
        return j;
    char *clean = mem_dup(text);
    for (char *c = clean; *c; c++)
        *c = (unsigned char)*c < 128 ? *c : '?';
    j = json_string(clean);
    free(clean);
    return j;
}

void json_put_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, json_text(text));
}

void json_put_number(json_t *object, const char *key, int64_t n)
{
    json_object_set_new(object, key, json_integer((json_int_t)n));
}

const char *json_word(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

json_int_t json_number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

bool json_says(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}
