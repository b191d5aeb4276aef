// SPDX-License-Identifier: ISC
// A-labels from U-labels.
#include "config/idn.h"

#include <idn2.h>
#include <stdbool.h>
#include <string.h>
#include "relay/base/span.h"

#define NAME_MAX_TEXT 253
#define LABEL_MAX     63

static bool idn_is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

static bool label_ok(const char *label, size_t n)
{
    if (n == 0 || n > LABEL_MAX || label[0] == '-' || label[n - 1] == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!ascii_is_alnum((unsigned char)label[i]) && label[i] != '-' && label[i] != '_')
            return false;
    return true;
}

// Copies a checked ASCII name; one final dot is dropped.
static int idn_take(const char *in, char out[IDN_NAME])
{
    size_t n = strlen(in);
    if (n && in[n - 1] == '.')
        n--;
    if (n == 0 || n > NAME_MAX_TEXT)
        return -1;
    for (size_t start = 0; start <= n;) {
        const char *dot = memchr(in + start, '.', n - start);
        size_t end = dot ? (size_t)(dot - in) : n;
        if (!label_ok(in + start, end - start))
            return -1;
        start = end + 1;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = (char)ascii_lower((unsigned char)in[i]);
    out[n] = 0;
    return 0;
}

int idn_to_ascii(const char *in, char out[IDN_NAME])
{
    out[0] = 0;
    // Four octets a character and 253 characters are more than any name has; libidn2 is not asked
    // about more, since its work grows with the length.
    if (strlen(in) > 4 * (size_t)NAME_MAX_TEXT + 4)
        return -1;
    int rc = -1;
    if (idn_is_ascii(in)) {
        rc = idn_take(in, out);
    } else {
        uint8_t *ascii = NULL;
        if (idn2_lookup_u8((const uint8_t *)in, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) ==
            IDN2_OK)
            rc = idn_take((const char *)ascii, out);
        idn2_free(ascii);
    }
    if (rc < 0)
        out[0] = 0;
    return rc;
}

void idn_domain(const char *in, char out[IDN_NAME])
{
    if (idn_to_ascii(in, out) < 0)
        out[0] = 0;
}
