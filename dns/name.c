// SPDX-License-Identifier: ISC
// Names as text: normal form and ancestry. RFC 1035 sections 2.3.4 and 3.1 for the sizes.
#include "dns/name.h"

#include <stdio.h>
#include <string.h>
#include "relay/base/span.h"

bool name_normal(const char *name, char out[static NAME_TEXT])
{
    size_t n = strlen(name);
    if (n > 0 && name[n - 1] == '.')
        n--;
    if (n > 253)
        return false;
    size_t label = 0;
    for (size_t i = 0; i < n; i++) {
        if (name[i] == '\\')
            return false;
        if (name[i] == '.') {
            if (label == 0)
                return false;
            label = 0;
        } else if (++label > 63) {
            return false;
        }
        out[i] = (char)ascii_lower((unsigned char)name[i]);
    }
    out[n] = '\0';
    return n == 0 || label > 0;
}

char *name_lower(const char *name)
{
    size_t n = strlen(name);
    if (n > 0 && name[n - 1] == '.')
        n--;
    return span_dup_lower(span_of(name, n));
}

bool name_below(const char *name, const char *parent)
{
    size_t n = strlen(name), p = strlen(parent);
    if (p == 0)
        return true;
    if (n < p || strcmp(name + n - p, parent) != 0)
        return false;
    return n == p || name[n - p - 1] == '.';
}

static bool is_host_byte(unsigned char c)
{
    return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.';
}

bool name_is_host(const char *name)
{
    char normal[NAME_TEXT];
    bool digits = true; // of the last label: then it is an address, or wants to be one
    if (!name_normal(name, normal) || !normal[0])
        return false;
    for (const char *c = normal; *c; c++) {
        if (!is_host_byte((unsigned char)*c))
            return false;
        digits = *c == '.' || (digits && *c >= '0' && *c <= '9');
    }
    return !digits;
}

void name_show(const char *name, char *out, size_t room)
{
    size_t n = 0;
    for (const unsigned char *c = (const unsigned char *)name; *c && n + 5 <= room; c++)
        if (is_host_byte(*c))
            out[n++] = (char)*c;
        else
            n += (size_t)snprintf(out + n, room - n, "\\%03u", *c);
    out[n] = '\0';
}
