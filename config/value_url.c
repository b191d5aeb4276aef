// SPDX-License-Identifier: ISC
// URLs of hosts that the operator names: https alone, no credentials in them, no fragment.
#include "config/value.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"

#define HTTPS      "https://"
#define HTTPS_PORT 443
#define URL_MAX    2048

static int value_url_bad(struct why *why, struct span text, const char *what)
{
    char quoted[VALUE_QUOTE];
    return why_set(why, WHY_OURS, "5.3.5", "%s is not a URL such as https://host/path: %s",
                   value_quote(text, quoted), what);
}

// What RFC 3986 lets stand in a path and a query.
static bool value_url_path(struct span path)
{
    for (size_t i = 0; i < path.n; i++)
        if (!path.p[i] ||
            (!ascii_is_alnum(path.p[i]) && !strchr("-._~%!$&'()*+,;=:@/?", path.p[i])))
            return false;
    return true;
}

int value_url(struct span text, struct value_url *out, struct why *why)
{
    if (!span_starts_nocase(text, HTTPS) || text.n > URL_MAX)
        return value_url_bad(why, text, "it does not begin with https://, or is too long");
    struct span rest = span_from(text, strlen(HTTPS)), host, digits;
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
        n++;
    struct span authority = span_slice(rest, 0, n), path = span_from(rest, n);
    uint64_t port = HTTPS_PORT;
    if (!span_cut(authority, ':', &host, &digits))
        host = authority;
    else if (!span_number(digits, 65535, &port) || !port)
        return value_url_bad(why, text, "the port is no port");
    struct why inner;
    char *name = NULL;
    if (!value_url_path(path))
        return value_url_bad(why, text, "it has characters that must be percent-encoded");
    if (value_host(host, &name, &inner) < 0)
        return value_url_bad(why, text, "it names no host");
    const char *slash = path.n && path.p[0] == '/' ? "" : "/";
    *out = (struct value_url){.host = name, .port = (uint16_t)port};
    out->path = mem_printf("%s%.*s", slash, (int)path.n, path.n ? (const char *)path.p : "");
    return 0;
}

void value_url_free(struct value_url *url)
{
    free(url->host);
    free(url->path);
    *url = (struct value_url){0};
}
