// SPDX-License-Identifier: ISC
// The address of the database, read by libpq's own parser; what has no place in it is refused by name.
#include "relay/fleet/target.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/value.h"
#include "relay/base/address.h"
#include "relay/base/mem.h"
#include "relay/base/span.h"

#define TARGET_PORT "5432"

static bool target_is_local(const char *host)
{
    static const unsigned char six[16] = {[15] = 1};
    struct sockaddr_storage address;
    size_t n = 0;
    if (host[0] == '/' || host[0] == '@' || strcmp(host, "localhost") == 0)
        return true;
    if (!address_read(span_text(host), 0, &address))
        return false;
    const unsigned char *bytes = address_plain((const struct sockaddr *)&address, &n);
    return n == 4 ? bytes[0] == 127 : memcmp(bytes, six, sizeof six) == 0;
}

static int target_bad(struct why *why, const char *what, const char *word)
{
    char quoted[VALUE_QUOTE];
    return why_set(why, WHY_OURS, "4.3.0", "fleet.database: %s%s%s", what, word ? " " : "",
                   word ? value_quote(span_text(word), quoted) : "");
}

// A list parted by commas into at most TARGET_HOSTS words; -1: there are more.
static int target_split(const char *text, char *out[TARGET_HOSTS])
{
    struct span rest = span_text(text), word;
    int n = 0;
    bool more = true;
    while (more) {
        more = span_cut(rest, ',', &word, &rest);
        if (!more)
            word = rest;
        if (n == TARGET_HOSTS)
            return -1;
        out[n++] = span_dup(word);
    }
    return n;
}

static int take_ports(struct target *t, const char *text, struct why *why)
{
    char *ports[TARGET_HOSTS] = {NULL};
    int n = text ? target_split(text, ports) : 0, rc = 0;
    if (n != 0 && n != 1 && (n < 0 || (size_t)n != t->nhosts))
        rc = target_bad(why, "not as many ports as hosts in", text);
    for (size_t i = 0; i < t->nhosts && rc == 0; i++) {
        const char *port = n == 0 ? TARGET_PORT : ports[n == 1 ? 0 : i];
        uint64_t number;
        port = port[0] ? port : TARGET_PORT;
        if (!span_number(span_text(port), 65535, &number) || !number)
            rc = target_bad(why, "this is no port:", port);
        t->ports[i] = mem_dup(port);
    }
    for (size_t i = 0; i < TARGET_HOSTS; i++)
        free(ports[i]);
    return rc;
}

static int take_hosts(struct target *t, const char *text, struct why *why)
{
    int n = text ? target_split(text, t->hosts) : 0;
    if (n < 0)
        return target_bad(why, "more hosts than 16", NULL);
    t->nhosts = (size_t)n;
    for (size_t i = 0; i < t->nhosts; i++) {
        const char *host = t->hosts[i];
        if (!host[0])
            return target_bad(why,
                              "it names no host; a Unix socket is written as "
                              "postgresql:///NAME?host=/run/postgresql&user=USER",
                              NULL);
        if (!target_is_local(host) && t->sslmode && strcmp(t->sslmode, "verify-full") != 0)
            return target_bad(why,
                              "a host that is not this machine proves its certificate "
                              "(sslmode=verify-full); not to be had with sslmode",
                              t->sslmode);
    }
    return t->nhosts ? 0 : take_hosts(t, "", why);
}

// Where each word of the address goes; -1: it has no place in it.
static int take_word(struct target *t, const PQconninfoOption *o, const char **hosts,
                     const char **ports, struct why *why)
{
    static const char *const ignored[] = {"application_name", "target_session_attrs",
                                          "connect_timeout", "client_encoding", NULL};
    if (strcmp(o->keyword, "host") == 0)
        *hosts = o->val;
    else if (strcmp(o->keyword, "port") == 0)
        *ports = o->val;
    else if (strcmp(o->keyword, "user") == 0)
        t->user = mem_dup(o->val);
    else if (strcmp(o->keyword, "dbname") == 0)
        t->uri_database = mem_dup(o->val);
    else if (strcmp(o->keyword, "sslmode") == 0)
        t->sslmode = mem_dup(o->val);
    else if (strcmp(o->keyword, "password") == 0)
        return target_bad(why, "the password stands in fleet.password_file", NULL);
    else {
        for (size_t i = 0; ignored[i]; i++)
            if (strcmp(o->keyword, ignored[i]) == 0)
                return 0;
        return target_bad(why, "this has no place there:", o->keyword);
    }
    return 0;
}

static int take_words(struct target *t, const PQconninfoOption *options, struct why *why)
{
    const char *hosts = NULL, *ports = NULL;
    for (const PQconninfoOption *o = options; o->keyword; o++)
        if (o->val && take_word(t, o, &hosts, &ports, why) < 0)
            return -1;
    if (!t->user || !t->user[0])
        return target_bad(why, "it names no user, as in postgresql://USER@HOST/NAME", NULL);
    if (!t->uri_database || !t->uri_database[0]) {
        free(t->uri_database);
        t->uri_database = mem_dup(t->user);
    }
    return take_hosts(t, hosts, why) < 0 ? -1 : take_ports(t, ports, why);
}

int target_parse(const struct cfg_fleet *fleet, const char *application, struct target *out,
                 struct why *why)
{
    char *error = NULL;
    *out = (struct target){.password_file = mem_dup(fleet->password_file),
                           .ca_file = mem_dup(fleet->ca_file),
                           .application = mem_dup(application)};
    PQconninfoOption *options = PQconninfoParse(fleet->database, &error);
    int rc = options ? take_words(out, options, why) : 0;
    if (!options) {
        char *line = span_dup(span_trim(span_text(error)));
        rc = target_bad(why, line, NULL);
        free(line);
    }
    PQconninfoFree(options);
    PQfreemem(error);
    if (rc < 0)
        target_free(out);
    return rc;
}

void target_free(struct target *t)
{
    for (size_t i = 0; i < TARGET_HOSTS; i++) {
        free(t->hosts[i]);
        free(t->ports[i]);
    }
    free(t->uri_database);
    free(t->user);
    free(t->sslmode);
    free(t->password_file);
    free(t->ca_file);
    free(t->application);
    *t = (struct target){0};
}

const char *target_name(const struct target *t, size_t host, char *out, size_t size)
{
    bool socket = t->hosts[host][0] == '/' || t->hosts[host][0] == '@';
    snprintf(out, size, "%s%s%s", t->hosts[host], socket ? "" : ":", socket ? "" : t->ports[host]);
    return out;
}

void target_words(const struct target *t, size_t host, const char *password,
                  const char *keys[TARGET_WORDS], const char *values[TARGET_WORDS])
{
    const char *local = t->sslmode ? t->sslmode : "prefer";
    const char *const words[][2] = {
        {"host", t->hosts[host]},
        {"port", t->ports[host]},
        {"user", t->user},
        {"dbname", t->uri_database},
        {"password", password},
        {"passfile", "/dev/null"}, // what stands in a home folder is not for us
        {"sslmode", target_is_local(t->hosts[host]) ? local : "verify-full"},
        {"sslrootcert", t->ca_file},
        {"gssencmode", "disable"},
        {"application_name", t->application},
        {"client_encoding", "UTF8"},
        {"target_session_attrs", "read-write"}, // a standby cannot take what we have to say
        {"tcp_user_timeout", "15000"},
        {"keepalives_idle", "15"},
        {"keepalives_interval", "5"},
        {"keepalives_count", "3"},
    };
    size_t n = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i][1] && words[i][1][0]) {
            keys[n] = words[i][0];
            values[n++] = words[i][1];
        }
    keys[n] = values[n] = NULL;
}
