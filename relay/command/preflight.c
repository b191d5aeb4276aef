// SPDX-License-Identifier: ISC
// `waxwing preflight FILE`: what the relay would note of this message, and what the DNS says of its From besides. Keys
// are taken from the configuration by name alone: who asks need not be able to read them.
#include "relay/preflight/preflight.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/reasons.h"
#include "relay/command/command.h"
#include "relay/command/config_file.h"
#include "relay/command/offline.h"
#include "relay/command/options.h"
#include "relay/command/terminal.h"
#include "relay/ingest/scan.h"
#include "sign/dmarc.h"

#define MESSAGE_MAX 268435456 // bytes that are read

struct preflight_options {
    const char *sender, *dns_file, *resolver;
    size_t recipients;
    bool smtputf8, binary, offline, json;
};

// A message read whole, and what there is to say of its bytes.
struct flight {
    struct buf bytes;
    struct header header;
    struct span body;
    bool eightbit, ended, unknown; // unknown: the DNS did not answer
    uint64_t longest;
    struct preflight found;
};

static int preflight_complain(const char *path, const char *what)
{
    fprintf(stderr, "waxwing preflight: %s: %s\n", path, what);
    return EXIT_DATA;
}

static int preflight_read_all(const char *path, struct buf *out)
{
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
    static char piece[65536];
    size_t n = 0;
    if (!in)
        return preflight_complain(path, strerror(errno));
    buf_init(out, MESSAGE_MAX);
    while ((n = fread(piece, 1, sizeof piece, in)) > 0 && buf_add(out, piece, n) == 0)
        ;
    bool bad = ferror(in);
    int error = errno;
    if (in != stdin)
        fclose(in);
    if (bad || out->full)
        return preflight_complain(path, bad ? strerror(error) : "it is too large to be mail");
    return EXIT_YES;
}

static void preflight_content(void *arg, struct span bytes)
{
    (void)arg;
    (void)bytes;
}

// A file with LF alone is an ordinary one: what ends its lines becomes CRLF at submission.
static void look_at_lines(struct flight *f)
{
    struct receive_scan scan;
    struct why why;
    const unsigned char *lf = memchr(f->bytes.data, '\n', f->bytes.len);
    bool crlf = lf && lf > f->bytes.data && lf[-1] == '\r';
    receive_scan_init(&scan, true, !crlf, preflight_content, NULL);
    receive_scan_feed(&scan, buf_span(&f->bytes));
    receive_scan_end(&scan);
    f->longest = scan.longest;
    for (size_t i = 0; i < f->body.n && !f->eightbit; i++)
        f->eightbit = f->body.p[i] > 127;
    if (scan.fault) {
        why_say(&why, BARE_LINE_END, receive_fault_text(scan.fault));
        preflight_add(&f->found, &why);
    }
}

// What DMARC says where the key's domain alone passes, or, without one, the sender's.
struct dmarc_question {
    struct dmarc_input in;
    struct facts *facts;
    struct dmarc_result result;
};

static bool preflight_dmarc_again(void *arg)
{
    struct dmarc_question *q = arg;
    return dmarc_evaluate(&q->in, q->facts, &q->result);
}

static enum preflight_dmarc ask_dmarc(const struct preflight_input *in, struct offline *offline,
                                      const char *domain, bool *unknown)
{
    struct dmarc_question q = {.facts = facts_new()};
    const char *sender = in->sender && in->sender[0] ? address_domain(in->sender) : NULL;
    q.in = (struct dmarc_input){.from_domain = domain,
                                .spf_domain = in->signer ? NULL : sender,
                                .dkim_domains = &in->signer,
                                .ndkim = in->signer ? 1 : 0};
    dns_evaluate_blocking(offline_dns(offline), q.facts, preflight_dmarc_again, &q);
    facts_free(q.facts);
    switch (q.result.result) {
    case AUTH_PASS:
        return PREFLIGHT_DMARC_PASS;
    case AUTH_FAIL:
        return in->signer || sender ? PREFLIGHT_DMARC_FAIL : PREFLIGHT_DMARC_UNKNOWN;
    case AUTH_TEMPERROR:
        *unknown = true;
        return PREFLIGHT_DMARC_UNKNOWN;
    default: // none and permerror: receivers find no policy
        return PREFLIGHT_DMARC_NONE;
    }
}

static void look(const struct preflight_options *o, const struct config *config,
                 struct offline *offline, struct flight *f)
{
    char domain[256];
    header_from_domain(&f->header, domain);
    const struct cfg_dkim_domain *row = domain[0] ? config_dkim_for(config, domain) : NULL;
    struct preflight_input in = {.header = &f->header,
                                 .body = f->body,
                                 .body_whole = true,
                                 .header_ended = f->ended,
                                 .eightbit = f->eightbit,
                                 .longest_line = f->longest,
                                 .now_s = clock_s(),
                                 .smtputf8 = o->smtputf8,
                                 .binary = o->binary,
                                 .sender =
                                     o->sender && strcmp(o->sender, "<>") == 0 ? "" : o->sender,
                                 .nrcpts = o->recipients,
                                 .size = f->bytes.len,
                                 .others_sign = config->delivery.nsmarthost > 0,
                                 .signer = row && row->nkeys ? row->domain : NULL,
                                 .signing = &config->signing};
    if (offline && domain[0])
        in.dmarc = ask_dmarc(&in, offline, domain, &f->unknown);
    preflight_look(&in, &f->found);
    look_at_lines(f);
}

// --- what is printed ---

static const char *preflight_verdict(const struct flight *f)
{
    return preflight_problem(&f->found) ? "problem"
           : f->unknown                 ? "unknown"
           : f->found.n                 ? "advice"
                                        : "ok";
}

static json_t *finding_json(const struct preflight_finding *f)
{
    const struct reason_row *row = reason_row(f->reason);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "severity",
                     preflight_level_word(preflight_level(f->reason)), "why", row->name, "act",
                     act_word(row->act), "text", f->text, "means", row->means, "advice",
                     row->advice, "prevents", preflight_prevents(f->reason));
}

static void preflight_print_json(const struct flight *f)
{
    json_t *all = json_array();
    for (size_t i = 0; i < f->found.n; i++)
        json_array_append_new(all, finding_json(&f->found.at[i]));
    json_t *j = json_pack("{s:s, s:s?, s:b, s:o}", "verdict", preflight_verdict(f), "bulk",
                          f->found.bulk, "dns_failed", f->unknown, "findings", all);
    json_dumpf(j, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(j);
}

static void preflight_print_text(const struct flight *f)
{
    for (size_t i = 0; i < f->found.n; i++) {
        const struct preflight_finding *finding = &f->found.at[i];
        const struct reason_row *row = reason_row(finding->reason);
        bool problem = preflight_level(finding->reason) == PREFLIGHT_PROBLEM;
        const char *prevents = preflight_prevents(finding->reason);
        terminal_tint(problem ? TERMINAL_BAD : TERMINAL_WAIT);
        printf("%-8s", problem ? "problem" : "advice");
        terminal_tint(TERMINAL_PLAIN);
        printf(" %s\n%-9s", row->name, "");
        terminal_wrap(finding->text, 9);
        printf("%-9sfor %s: ", "", act_text(row->act));
        terminal_wrap(row->advice, 9);
        if (*prevents)
            printf("%-9sprevents: %s\n", "", prevents);
    }
    if (f->unknown)
        puts("unknown  the DNS did not answer for the DMARC record of From");
    if (!f->found.n && !f->unknown)
        puts("ok       nothing that receivers are known to mind");
    if (f->found.bulk)
        printf("%-9sit is bulk mail: %s\n", "", f->found.bulk);
}

// --- the command ---

static bool preflight_on_recipients(void *options, const char *text)
{
    struct preflight_options *o = options;
    uint64_t n;
    if (!span_number(span_text(text), 1000000, &n) || !n)
        return false;
    o->recipients = (size_t)n;
    return true;
}

static int preflight_read_options(struct preflight_options *o, int argc, char **argv)
{
    static const struct option_row rows[] = {
        {"json", OPTION_FLAG, offsetof(struct preflight_options, json), NULL},
        {"offline", OPTION_FLAG, offsetof(struct preflight_options, offline), NULL},
        {"smtputf8", OPTION_FLAG, offsetof(struct preflight_options, smtputf8), NULL},
        {"binary", OPTION_FLAG, offsetof(struct preflight_options, binary), NULL},
        {"sender", OPTION_TEXT, offsetof(struct preflight_options, sender), NULL},
        {"dns-file", OPTION_TEXT, offsetof(struct preflight_options, dns_file), NULL},
        {"resolver", OPTION_TEXT, offsetof(struct preflight_options, resolver), NULL},
        {"recipients", OPTION_CALL, 0, preflight_on_recipients},
        {"now", OPTION_CLOCK, 0, NULL},
        {0},
    };
    int rc = command_table("preflight", argc, argv, rows, o);
    if (rc != EXIT_YES)
        return rc;
    if (optind + 1 != argc)
        return command_usage_error("preflight", "one FILE is needed ('-': standard input)");
    return EXIT_YES;
}

static int read_message(const char *path, struct flight *f)
{
    struct why why;
    size_t used;
    int rc = preflight_read_all(path, &f->bytes);
    if (rc != EXIT_YES)
        return rc;
    if (header_parse(&f->header, buf_span(&f->bytes), &used, &why) < 0)
        return preflight_complain(path, why.text);
    if (!f->header.n)
        return preflight_complain(path, "it has no header");
    f->body = span_from(buf_span(&f->bytes), used);
    const struct span last = f->header.fields[f->header.n - 1].whole;
    f->ended = f->header.bytes.p + used > last.p + last.n;
    return EXIT_YES;
}

static int preflight_run(const struct preflight_options *o, const struct config *config,
                         struct flight *f)
{
    struct why why;
    struct offline_options options = {.config = (struct config *)(uintptr_t)config,
                                      .dns_file = o->dns_file,
                                      .resolver = o->resolver};
    struct offline *offline = o->offline ? NULL : offline_open(&options, &why);
    if (!o->offline && !offline) {
        fprintf(stderr, "waxwing preflight: %s\n", why.text);
        return EXIT_TEMP;
    }
    look(o, config, offline, f);
    if (offline)
        offline_close(offline);
    if (o->json)
        preflight_print_json(f);
    else
        preflight_print_text(f);
    return preflight_problem(&f->found) ? EXIT_NO : f->unknown ? EXIT_TEMP : EXIT_YES;
}

int command_preflight(int argc, char **argv)
{
    struct preflight_options o = {0};
    struct flight f = {0};
    struct config *config = NULL;
    int status = preflight_read_options(&o, argc, argv);
    const char *path = status == EXIT_YES ? argv[optind] : NULL;
    if (status == EXIT_YES)
        config = command_load_config_or_default(&status);
    if (config) {
        status = read_message(path, &f);
        if (status == EXIT_YES)
            status = preflight_run(&o, config, &f);
    }
    preflight_free(&f.found);
    header_free(&f.header);
    buf_free(&f.bytes);
    config_unref(config);
    return status;
}
