// SPDX-License-Identifier: ISC
// The configuration that `waxwing init` writes. Its head remembers the answers, and a mark over the whole tells
// whether somebody has edited it since: then it is theirs.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>
#include <xxhash.h>
#include "relay/base/mem.h"
#include "relay/command/init.h"

#define MARK   "# waxwing init: mark "
#define ANSWER "#   --"

// A scalar that YAML reads as this text and nothing else.
static void add_word(struct buf *out, const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/@-";
    if (*text && *text != '-' && *text != '@' && strspn(text, plain) == strlen(text)) {
        buf_adds(out, text);
        return;
    }
    buf_addc(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_addc(out, '\\');
        buf_addc(out, *text);
    }
    buf_addc(out, '"');
}

static void add_key(struct buf *out, const char *key, const char *value)
{
    if (!*value)
        return;
    buf_addf(out, "%s: ", key);
    add_word(out, value);
    buf_addc(out, '\n');
}

// "[a, b]", each with what `below` adds.
static void add_list(struct buf *out, const struct init_list *list, bool below)
{
    buf_addc(out, '[');
    for (size_t i = 0; i < list->n; i++) {
        buf_adds(out, i ? ", " : "");
        add_word(out, list->at[i]);
        if (below)
            buf_addf(out, ", \"*.%s\"", list->at[i]);
    }
    buf_addc(out, ']');
}

static void add_head(const struct init *in, struct buf *out)
{
    struct init *answers = (struct init *)in; // read only
    buf_adds(out, "# Laid down by waxwing init, which was told:\n");
    for (const struct init_field *f = init_fields; f->name; f++) {
        const struct init_list *list = init_list_of(answers, f);
        for (size_t i = 0; f->kept && i < list->n; i++)
            buf_addf(out, ANSWER "%s %s\n", f->name, list->at[i]);
    }
    buf_adds(
        out,
        "# Edit it freely: from then on init leaves it alone. waxwing.yaml(5) has every key, and\n"
        "# `waxwing run --print-config` prints what is in force; `waxwing reload` applies a "
        "change.\n");
}

// Some machines have no IPv6 at all, and a listener for it would keep the relay from starting.
static bool has_ipv6(void)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof any) == 0;
    if (fd >= 0)
        close(fd);
    return has;
}

static void add_listener(struct buf *out, const char *address)
{
    const char *port = strrchr(address, ':');
    bool implicit = port && strcmp(port, ":465") == 0;
    buf_addf(out, "  - address: \"%s\"\n%s", address, implicit ? "    tls: implicit\n" : "");
}

// A bare port is that port on every address.
static void add_listen(const struct init *in, struct buf *out)
{
    static char submission[] = "587", submissions[] = "465", *usual[] = {submission, submissions};
    struct init_list list = in->listen.n ? in->listen : (struct init_list){usual, 2};
    bool ipv6 = has_ipv6();
    buf_adds(out, "\nlisten:                                # 587: STARTTLS, then AUTH; 465: TLS "
                  "from the first byte\n");
    for (size_t i = 0; i < list.n; i++) {
        if (strspn(list.at[i], "0123456789") != strlen(list.at[i])) {
            add_listener(out, list.at[i]);
            continue;
        }
        char *four = mem_printf("0.0.0.0:%s", list.at[i]), *six = mem_printf("[::]:%s", list.at[i]);
        add_listener(out, four);
        if (ipv6)
            add_listener(out, six);
        free(four);
        free(six);
    }
}

static void add_certificate(const struct init *in, struct buf *out)
{
    buf_adds(out, "certificate:                           # read again when the files change\n");
    add_key(out, "  chain", in->tls_chain_file.n ? in->tls_chain_file.at[0] : "tls/fullchain.pem");
    add_key(out, "  key", in->tls_key_file.n ? in->tls_key_file.at[0] : "tls/key.pem");
}

static void add_senders(const struct init *in, struct buf *out)
{
    buf_adds(out, "\nusers: users                           # waxwing user add NAME\nsenders:\n");
    for (size_t i = 0; i < in->user.n; i++) {
        buf_adds(out, "  - user: ");
        add_word(out, in->user.at[i]);
        buf_adds(out, "\n    from: ");
        add_list(out, &in->domain, true);
        buf_addc(out, '\n');
    }
    if (!in->network.n)
        return;
    buf_adds(out, "  - network: ");
    add_list(out, &in->network, false);
    buf_adds(out, "                 # without a login\n    from: ");
    add_list(out, &in->domain, true);
    buf_addc(out, '\n');
}

static void add_preflight(struct buf *out)
{
    buf_adds(out,
             "\npreflight: note                        # what receivers will not like is said with "
             "the 250; refuse, off\n");
}

static void add_dkim_key(struct buf *out, const char *selector, const char *file)
{
    buf_adds(out, "        - {selector: ");
    add_word(out, selector);
    buf_adds(out, ", file: ");
    add_word(out, file);
    buf_adds(out, "}\n");
}

char *init_text_selector(const char *selector, char kind)
{
    bool pair = selector[0] == 'r' && selector[1] >= '0' && selector[1] <= '9';
    return pair ? mem_printf("%c%s", kind, selector + 1) : mem_printf("%s%c", selector, kind);
}

static char *key_file(const struct init *in, const char *domain, const char *selector)
{
    return in->dkim_key_file.n ? mem_dup(in->dkim_key_file.at[0])
                               : mem_printf("dkim/%s.%s.pem", domain, selector);
}

char *init_text_key(const struct init *in, const char *domain)
{
    return key_file(in, domain, init_one(&in->selector));
}

static void add_arc(const struct init *in, struct buf *out, const char *selector, const char *file)
{
    buf_adds(out, "arc:                                   # for senders with forward: true\n");
    add_key(out, "  domain", in->domain.at[0]);
    add_key(out, "  selector", selector);
    add_key(out, "  file", file);
}

// Keys that lie there with names of their own do not turn.
static void add_named_keys(const struct init *in, struct buf *out)
{
    const char *selector = init_one(&in->selector);
    char *second = init_text_selector(selector, 'e'), *file;
    buf_adds(out, "\ndkim:\n  domains:\n");
    for (size_t i = 0; i < in->domain.n; i++) {
        buf_addf(out, "    - domain: %s\n      subdomains: true\n      keys:\n", in->domain.at[i]);
        file = key_file(in, in->domain.at[i], selector);
        add_dkim_key(out, selector, file);
        free(file);
        if (in->dkim_key_file.n)
            continue;
        file = key_file(in, in->domain.at[i], second);
        add_dkim_key(out, second, file);
        free(file);
    }
    file = key_file(in, in->domain.at[0], selector);
    add_arc(in, out, selector, file);
    free(file);
    free(second);
}

// Keys in a directory can turn by themselves. The one that seals does not, so it is nobody else's.
static void add_dkim(const struct init *in, struct buf *out)
{
    if (in->dkim_key_file.n || in->named_keys) {
        add_named_keys(in, out);
        return;
    }
    char *selector = init_text_selector(init_one(&in->selector), 'a');
    char *file = mem_printf("arc/%s.%s.pem", in->domain.at[0], selector);
    buf_adds(out, "\ndkim:\n");
    add_key(out, "  directory", in->system_places ? "/var/lib/waxwing/dkim" : "dkim");
    buf_adds(out, "  subdomains: true                     # DOMAIN/SELECTOR.pem; they turn by: "
                  "waxwing key rotate\n");
    add_arc(in, out, selector, file);
    free(file);
    free(selector);
}

// Reports are mail of ours: signed, and out of the queue.
static void add_reports(const struct init *in, struct buf *out)
{
    if (in->smarthost.n)
        return;
    buf_adds(out, "\ntls_report:                            # daily, to domains that ask for it "
                  "(RFC 8460)\n  send: true\n");
    char *from = mem_printf("tls-reports@%s", in->domain.at[0]);
    add_key(out, "  from", from);
    add_key(out, "  organization", in->domain.at[0]);
    free(from);
}

static void add_delivery(const struct init *in, struct buf *out)
{
    buf_adds(out,
             "\ndelivery:\n"
             "  tls: encrypt                         # where neither DANE nor MTA-STS speaks\n"
             "  mode: enforce                        # shadow: only tell what would be refused\n");
    if (!in->smarthost.n)
        return;
    if (!in->smarthost_user.n) {
        buf_adds(out, "  smarthost: ");
        add_list(out, &in->smarthost, false);
        buf_addc(out, '\n');
        return;
    }
    buf_adds(out, "  destinations:\n    - domain: \"*\"\n      next_hop: ");
    add_list(out, &in->smarthost, false);
    buf_adds(out, "\n      tls: webpki                      # a password is for a proven host "
                  "only\n      auth: {user: ");
    add_word(out, init_one(&in->smarthost_user));
    buf_adds(out, ", password_file: ");
    add_word(out, init_one(&in->smarthost_password_file));
    buf_adds(out, "}\n");
}

static void add_rest(const struct init *in, struct buf *out)
{
    if (in->dns_server.n) {
        buf_adds(out, "\ndns:\n  mode: stub\n  servers: ");
        add_list(out, &in->dns_server, false);
        buf_addc(out, '\n');
    }
    buf_addc(out, '\n');
    const char *spool = init_one(&in->spool), *state = init_one(&in->state);
    add_key(out, "spool", *spool ? spool : in->system_places ? "" : "spool");
    add_key(out, "state", *state ? state : in->system_places ? "" : "state/state.db");
    add_key(out, "control", in->system_places ? "" : "run/control.sock");
    if (in->log_format.n)
        buf_addf(out, "log: {format: %s}\n", init_one(&in->log_format));
    if (in->http.n && !*in->http.at[0])
        buf_adds(out, "http: \"\"\n");
    add_key(out, "http", init_one(&in->http));
    add_key(out, "user", init_one(&in->run_as));
}

static uint64_t mark_of(struct span text)
{
    XXH3_state_t *state = XXH3_createState();
    struct span line, rest = text;
    XXH3_64bits_reset(state);
    while (rest.n) {
        struct span all = rest;
        if (!span_cut(all, '\n', &line, &rest)) {
            line = all;
            rest.n = 0;
        }
        if (line.n < strlen(MARK) || memcmp(line.p, MARK, strlen(MARK)) != 0) {
            XXH3_64bits_update(state, line.p, line.n);
            XXH3_64bits_update(state, "\n", 1);
        }
    }
    uint64_t mark = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return mark;
}

void init_text(const struct init *in, struct buf *out)
{
    add_head(in, out);
    struct buf body;
    buf_init(&body, INIT_TEXT_MAX);
    buf_adds(&body, "\nhostname: ");
    buf_addf(&body, "%-28s # its PTR records lead back to it\n", init_one(&in->hostname));
    add_key(&body, "postmaster", init_one(&in->postmaster));
    add_listen(in, &body);
    add_certificate(in, &body);
    add_senders(in, &body);
    add_dkim(in, &body);
    add_preflight(&body);
    add_delivery(in, &body);
    add_reports(in, &body);
    add_rest(in, &body);
    size_t head = out->len;
    buf_addspan(out, buf_span(&body));
    uint64_t mark = mark_of(buf_span(out));
    buf_cut(out, head);
    buf_addf(out, MARK "%016" PRIx64 "\n", mark);
    buf_addspan(out, buf_span(&body));
    buf_free(&body);
}

bool init_text_untouched(struct span text)
{
    struct span line, rest = text;
    char mark[17];
    snprintf(mark, sizeof mark, "%016" PRIx64, mark_of(text));
    while (span_cut(rest, '\n', &line, &rest))
        if (line.n > strlen(MARK) && memcmp(line.p, MARK, strlen(MARK)) == 0)
            return span_is(span_from(line, strlen(MARK)), mark);
    return false;
}

static const struct init_field *find_field(struct span name)
{
    for (const struct init_field *f = init_fields; f->name; f++)
        if (f->kept && span_is(name, f->name))
            return f;
    return NULL;
}

static void join(struct init_list *list, struct init_list *told)
{
    for (size_t i = 0; i < told->n; i++) {
        bool there = false;
        for (size_t k = 0; k < list->n; k++)
            there |= strcmp(told->at[i], list->at[k]) == 0;
        if (!there)
            init_add(list, told->at[i]);
        free(told->at[i]);
    }
    free(told->at);
}

static void remember_line(struct init *in, struct span line, const bool *answered)
{
    struct span name, value;
    if (line.n < strlen(ANSWER) || memcmp(line.p, ANSWER, strlen(ANSWER)) != 0 ||
        !span_cut(span_from(line, strlen(ANSWER)), ' ', &name, &value))
        return;
    const struct init_field *field = find_field(name);
    if (!field)
        return;
    char *one = span_dup(value);
    if (!answered[field - init_fields])
        init_add(init_list_of(in, field), one);
    else if (strcmp(field->name, "selector") == 0 && strcmp(one, init_one(&in->selector)) != 0)
        init_add(&in->former_selector, one);
    free(one);
}

void init_text_remember(struct init *in, struct span text)
{
    struct span line, rest = text;
    struct init_list told[64] = {{0}};
    bool answered[64] = {false}; // by options: these replace what was said earlier, or come to it
    for (size_t i = 0; init_fields[i].name; i++) {
        struct init_list *list = init_list_of(in, &init_fields[i]);
        bool joined = init_fields[i].joined && !in->from_env;
        answered[i] = !joined && list->n;
        if (joined) {
            told[i] = *list;
            *list = (struct init_list){0};
        }
    }
    while (span_cut(rest, '\n', &line, &rest) && line.n && line.p[0] == '#')
        remember_line(in, line, answered);
    for (size_t i = 0; init_fields[i].name; i++)
        join(init_list_of(in, &init_fields[i]), &told[i]);
}
