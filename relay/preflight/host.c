// SPDX-License-Identifier: ISC
// Names of hosts and domains, as far as they tell by themselves.
#include <string.h>
#include "relay/preflight/inside.h"

// A name that only a network inside knows (RFC 6761, RFC 6762 appendix G, RFC 8375).
bool preflight_public(const char *domain)
{
    static const char *const inside[] = {"localhost", "localdomain", "local",     "internal",
                                         "lan",       "home",        "home.arpa", "corp",
                                         "intranet",  "private",     "invalid"};
    struct span s = span_text(domain);
    if (span_find(s, '.') <= 0)
        return false;
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        size_t n = strlen(inside[i]);
        if (s.n > n && s.p[s.n - n - 1] == '.' && span_ends_nocase(s, inside[i]))
            return false;
    }
    return true;
}
