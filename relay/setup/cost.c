// SPDX-License-Identifier: ISC
// The cost parameters of crypt(5) schemes and of SCRAM verifiers. Pure: nothing is hashed.
#include "relay/setup/cost.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LOG2 40

// A digit of crypt's own base64; 0 for another character.
static unsigned cost_digit(char c)
{
    static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (unsigned)(at - digits) : 0;
}

static uint64_t cost_power(unsigned log2)
{
    return (uint64_t)1 << (log2 < MAX_LOG2 ? log2 : MAX_LOG2);
}

// "rounds=N$" or the default of the scheme.
static uint64_t cost_rounds(const char *setting, uint64_t otherwise)
{
    return strncmp(setting, "rounds=", 7) == 0 ? strtoull(setting + 7, NULL, 10) : otherwise;
}

// "$y$j9T$…": flavour, then log2 of N and r, each one digit and one less than it stands for.
static uint64_t cost_yescrypt(const char *setting)
{
    if (!setting[0] || !setting[1])
        return 0;
    return cost_power(cost_digit(setting[1]) + 1) * (cost_digit(setting[2]) + 1) / 3;
}

uint64_t cost_of_hash(const char *hash)
{
    static const char *const heads[] = {"$y$", "$gy$",   "$7$",  "$2",  "$6$",
                                        "$5$", "$sha1$", "$md5", "$1$", "SCRAM-SHA-256$"};
    size_t i = 0;
    while (i < sizeof heads / sizeof *heads && strncmp(hash, heads[i], strlen(heads[i])) != 0)
        i++;
    const char *setting = i < sizeof heads / sizeof *heads ? hash + strlen(heads[i]) : hash;
    switch (i) {
    case 0:
    case 1:
        return cost_yescrypt(setting);
    case 2: // log2 of N, then r in five digits of which the first tells
        return cost_power(cost_digit(setting[0])) * (setting[0] ? cost_digit(setting[1]) + 1 : 1) /
               3;
    case 3: // "$2b$12$"
        return strlen(setting) > 3 ? cost_power((unsigned)strtoul(setting + 2, NULL, 10)) * 50 : 0;
    case 4:
    case 5:
        return cost_rounds(setting, 5000) * 6 / 10;
    case 6:
        return strtoull(setting, NULL, 10) / 2;
    case 7:
        return 50000;
    case 8:
        return 500;
    case 9: // 1.4 microseconds an iteration in libgsasl
        return strtoull(setting, NULL, 10) * 14 / 10;
    default:
        return 10; // DES
    }
}
