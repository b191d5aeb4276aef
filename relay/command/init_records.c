// SPDX-License-Identifier: ISC
// The DNS records that `waxwing init` asks for, as lines of a zone file that nsupdate takes as well; what only a
// person can decide, or what belongs into another zone, stands there as a comment.
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/audit/audit.h"
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/command/init.h"
#include "sign/key.h"

#define TTL        3600
#define RECORD_MAX 16384 // bytes of a TXT record
#define PIECE      250   // of the 255 bytes that a character string holds (RFC 1035 section 3.3.14)

static void add_txt(struct buf *out, const char *name, struct span text)
{
    buf_addf(out, "%s. %d IN TXT", name, TTL);
    while (text.n) {
        size_t n = text.n < PIECE ? text.n : PIECE;
        buf_addf(out, " \"%.*s\"", (int)n, (const char *)text.p);
        text = span_from(text, n);
    }
    buf_addc(out, '\n');
}

static void add_text(struct buf *out, const char *prefix, const char *domain, const char *format,
                     ...) __attribute__((format(printf, 4, 5)));
static void add_text(struct buf *out, const char *prefix, const char *domain, const char *format,
                     ...)
{
    va_list args;
    char text[1024], *name = mem_printf("%s%s", prefix, domain);
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    add_txt(out, name, span_text(text));
    free(name);
}

static bool is_within(const char *host, const struct config *c)
{
    for (size_t i = 0; i < c->ndkim; i++) {
        size_t n = strlen(host), m = strlen(c->dkim[i].domain);
        if (n >= m && strcmp(host + n - m, c->dkim[i].domain) == 0 &&
            (n == m || host[n - m - 1] == '.'))
            return true;
    }
    return false;
}

static void address_text(const struct sockaddr_storage *address, char out[INET6_ADDRSTRLEN])
{
    const void *at = address->ss_family == AF_INET
                         ? (const void *)&((const struct sockaddr_in *)address)->sin_addr
                         : (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr;
    inet_ntop(address->ss_family, at, out, INET6_ADDRSTRLEN);
}

// A private address is not what others see, and a name outside our domains is in somebody else's zone.
static void add_addresses(const struct config *c, struct buf *out)
{
    struct audit_addresses addresses;
    char text[INET6_ADDRSTRLEN];
    size_t seen = 0;
    audit_addresses_find(c, &addresses);
    buf_adds(
        out,
        "; the relay's name; each address needs a PTR record, set where the address comes from\n");
    for (size_t i = 0; i < addresses.n; i++) {
        const struct audit_address *a = &addresses.at[i];
        address_text(&a->address, text);
        if (!a->certain)
            continue;
        seen++;
        buf_addf(out, "%s%s. %d IN %s %s\n", is_within(c->hostname, c) ? "" : "; ", c->hostname,
                 TTL, a->address.ss_family == AF_INET ? "A" : "AAAA", text);
        buf_addf(out, ";   PTR of %s: %s.\n", text, c->hostname);
    }
    if (!seen)
        buf_addf(
            out,
            ";   this machine has private addresses only: %s. needs the A and AAAA records of the\n"
            ";   addresses that others see, and these a PTR record with %s.\n",
            c->hostname, c->hostname);
    audit_addresses_free(&addresses);
    if (is_within(c->hostname, c))
        add_text(out, "", c->hostname, "v=spf1 a -all");
}

static int records_add_key(const char *selector, const char *domain, const char *file,
                           struct buf *out, struct why *why)
{
    struct buf record;
    struct sign_key *key = sign_key_load(file, why);
    buf_init(&record, RECORD_MAX);
    int rc = key ? sign_key_record(key, &record) : -1;
    char *name = mem_printf("%s._domainkey.%s", selector, domain);
    if (rc == 0)
        add_txt(out, name, buf_span(&record));
    free(name);
    buf_free(&record);
    sign_key_unref(key);
    return rc;
}

static int add_keys(const struct cfg_dkim_domain *row, struct buf *out, struct why *why)
{
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < row->nkeys; k++)
        rc = records_add_key(row->keys[k].selector, row->domain, row->keys[k].file, out, why);
    return rc;
}

// Where it is no key of the domain that is there already.
static int add_seal(const struct config *c, struct buf *out, struct why *why)
{
    const struct cfg_dkim_domain *row = *c->arc.domain ? config_dkim_for(c, c->arc.domain) : NULL;
    for (size_t k = 0; row && k < row->nkeys; k++)
        if (strcmp(row->keys[k].file, c->arc.file) == 0)
            return 0;
    if (!*c->arc.domain)
        return 0;
    buf_adds(out, "; ARC: the key that seals forwarded mail\n");
    return records_add_key(c->arc.selector, c->arc.domain, c->arc.file, out, why);
}

static void add_spf(const struct config *c, const char *domain, struct buf *out)
{
    if (c->delivery.nsmarthost || config_destination(c, "elsewhere.invalid")) {
        buf_addf(
            out,
            "; SPF of %s: mail leaves through another host, whose SPF include has to stand in it\n",
            domain);
        return;
    }
    buf_addf(
        out,
        "; SPF. Where %s has such a record already, put a:%s into that one: two are an error\n",
        domain, c->hostname);
    add_text(out, "", domain, "v=spf1 a:%s ~all", c->hostname);
}

static void add_inbound(const char *domain, struct buf *out)
{
    char now[40];
    clock_rfc3339(clock_ms(), now);
    buf_addf(out,
             "; MTA-STS, for mail to %s: first serve this at "
             "https://mta-sts.%s/.well-known/mta-sts.txt,\n"
             ";   one line mx: for each MX host, then publish the record without its semicolon\n"
             ";     version: STSv1\n;     mode: testing\n;     mx: (an MX host of %s)\n;     "
             "max_age: 604800\n"
             "; _mta-sts.%s. %d IN TXT \"v=STSv1; id=%.4s%.2s%.2s\"\n",
             domain, domain, domain, domain, TTL, now, now + 5, now + 8);
    buf_addf(out, "; TLS-RPT: others report how encryption of mail to %s goes\n", domain);
    add_text(out, "_smtp._tls.", domain, "v=TLSRPTv1; rua=mailto:postmaster@%s", domain);
}

static int add_domain(const struct config *c, const struct cfg_dkim_domain *row, struct buf *out,
                      struct why *why)
{
    buf_addf(out, "; DKIM: the keys that the relay signs %s with\n", row->domain);
    if (add_keys(row, out, why) < 0)
        return -1;
    add_spf(c, row->domain, out);
    buf_addf(
        out,
        "; DMARC. Leave the one that is there; a new one asks for reports and refuses nothing\n");
    add_text(out, "_dmarc.", row->domain, "v=DMARC1; p=none; rua=mailto:postmaster@%s",
             row->domain);
    add_inbound(row->domain, out);
    return 0;
}

int init_records(const struct init *in, struct why *why)
{
    const struct config *c = in->config;
    char *folder = init_folder_of(in->file), *path = mem_printf("%s/records.zone", folder);
    struct buf out;
    buf_init(&out, INIT_TEXT_MAX);
    add_addresses(c, &out);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->ndkim; i++)
        rc = add_domain(c, &c->dkim[i], &out, why);
    if (rc == 0)
        rc = add_seal(c, &out, why);
    if (rc == 0) {
        printf("The DNS records to publish, also in %s (written anew by each init)\n\n", path);
        fputs(buf_text(&out), stdout);
        rc = init_write(path, buf_span(&out), 0644, (uid_t)-1, (gid_t)-1, why);
    }
    buf_free(&out);
    free(path);
    free(folder);
    return rc;
}
