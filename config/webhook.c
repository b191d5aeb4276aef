// SPDX-License-Identifier: ISC
// The URL of a webhook. http is for loopback addresses alone: events carry addresses of people.
#include "config/webhook.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/address.h"
#include "relay/base/mem.h"

#define HTTP      "http://"
#define HTTP_PORT 80

static int webhook_bad(struct span text, struct why *why)
{
    char quoted[VALUE_QUOTE];
    return why_set(why, WHY_OURS, "5.3.5",
                   "%s: http:// is for this machine alone (localhost, 127.0.0.1 or [::1]); "
                   "elsewhere it is https://HOST/PATH",
                   value_quote(text, quoted));
}

static bool webhook_loopback(const struct sockaddr_storage *a)
{
    if (a->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static bool webhook_take(struct webhook *out, struct span endpoint)
{
    struct why why;
    struct sockaddr_storage *a = &out->at[out->nat];
    if (value_endpoint(endpoint, PORT_OPTIONAL, a, &why) < 0 || !webhook_loopback(a))
        return false;
    if (!address_port((struct sockaddr *)a))
        address_set_port(a, HTTP_PORT);
    out->nat++;
    return true;
}

// "localhost" is both of its addresses, whatever the DNS says.
static bool webhook_localhost(struct webhook *out, struct span authority)
{
    struct span host, port;
    bool found = true;
    if (!span_cut(authority, ':', &host, &port)) {
        host = authority;
        port = span_text("80");
    }
    if (!span_is_nocase(host, "localhost"))
        return false;
    static const char *const at[] = {"127.0.0.1", "[::1]"};
    for (size_t i = 0; i < 2; i++) {
        char *text = mem_printf("%s:%.*s", at[i], (int)port.n, (const char *)port.p);
        found = webhook_take(out, span_text(text)) && found;
        free(text);
    }
    return found;
}

int webhook_parse(struct span text, struct webhook *out, struct why *why)
{
    *out = (struct webhook){0};
    if (!span_starts_nocase(text, HTTP))
        return value_url(text, &out->url, why);
    out->clear = true;
    struct span rest = span_from(text, strlen(HTTP));
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
        n++;
    struct span authority = span_slice(rest, 0, n), path = span_from(rest, n);
    if (!webhook_localhost(out, authority) && (out->nat || !webhook_take(out, authority)))
        return webhook_bad(text, why);
    char *same = mem_printf("https://localhost:%u%.*s",
                            (unsigned)address_port((struct sockaddr *)&out->at[0]), (int)path.n,
                            path.n ? (const char *)path.p : "");
    int rc = value_url(span_text(same), &out->url, why);
    free(same);
    return rc;
}

void webhook_free(struct webhook *hook)
{
    value_url_free(&hook->url);
    *hook = (struct webhook){0};
}
