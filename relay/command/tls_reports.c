// SPDX-License-Identifier: ISC
// `waxwing tls reports` and `waxwing tls report --send`: what became of daily reports, from the relay or its
// database; and the wish to send them, which only the relay can fulfil.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/command/tls.h"
#include "relay/control/control.h"
#include "relay/fleet/ledger_look.h"
#include "relay/log/json.h"

#define WAIT_MS 90000 // for a report to be taken or not: a collector has a minute
#define LOOK_MS 200

static bool is_in(const json_t *row, const char *state)
{
    return strcmp(json_word(row, "state"), state) == 0;
}

static bool is_report(const json_t *row)
{
    return json_word(row, "to")[0] != '\0';
}

static json_t *tls_reports_request(const struct tls_reports_asked *asked, const char *verb)
{
    json_t *request = json_pack("{s:s, s:I}", "verb", verb, "since", (json_int_t)asked->since_ms);
    if (asked->domain)
        json_object_set_new(request, "domain", json_string(asked->domain));
    if (asked->day)
        json_object_set_new(request, "day", json_string(asked->day));
    return request;
}

static json_t *tls_reports_complain(json_t *answer, int status)
{
    if (status == EXIT_YES)
        return answer;
    fprintf(stderr, "waxwing: %s\n", json_word(answer, "error"));
    json_decref(answer);
    return NULL;
}

static json_t *tls_reports_from_file(const struct tls_reports_asked *asked, const json_t *request,
                                     int *status)
{
    struct sending_query query;
    struct sendings all = {0};
    struct why why;
    const char *file = asked->state ? asked->state : asked->config->state;
    *status = EXIT_TEMP;
    if (sending_query_read(request, &query, &why) < 0 ||
        state_sendings_file(file, &query, &all, &why) < 0) {
        fprintf(stderr, "waxwing: %s\n", why.text);
        return NULL;
    }
    *status = EXIT_YES;
    json_t *answer = sendings_json(&all);
    sendings_free(&all);
    return answer;
}

static json_t *tls_reports_from_fleet(const struct tls_reports_asked *asked, const json_t *request,
                                      int *status)
{
    struct sending_query query;
    struct why why;
    *status = EXIT_USAGE;
    json_t *answer = sending_query_read(request, &query, &why) == 0
                         ? ledger_look_claims(asked->config, &query, status, &why)
                         : NULL;
    if (!answer)
        fprintf(stderr, "waxwing: %s\n", why.text);
    return answer;
}

// NULL: said on stderr, *status is set.
static json_t *tls_reports_ask(const struct tls_reports_asked *asked, int *status)
{
    json_t *request = tls_reports_request(asked, "tls-reports"), *answer = NULL;
    if (!asked->state && !asked->fleet)
        answer = control_ask_quietly(asked->config->control, json_incref(request), status);
    if (asked->fleet)
        answer = tls_reports_from_fleet(asked, request, status);
    else
        answer = answer ? tls_reports_complain(answer, *status)
                        : tls_reports_from_file(asked, request, status);
    json_decref(request);
    return answer;
}

static void tls_reports_print(const struct tls_reports_asked *asked, const json_t *rows)
{
    const json_t *row;
    size_t i;
    if (asked->json) {
        json_dumpf(rows, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        putchar('\n');
        return;
    }
    json_array_foreach (rows, i, row)
        tls_print_sending(row);
}

int tls_reports_list(const struct tls_reports_asked *asked)
{
    int status;
    json_t *answer = tls_reports_ask(asked, &status);
    if (!answer)
        return status;
    const json_t *rows = json_object_get(answer, "rows");
    tls_reports_print(asked, rows);
    if (!asked->json && json_array_size(rows) == 0)
        puts(asked->fleet ? "no report has been claimed" : "no report has been planned");
    json_decref(answer);
    return EXIT_YES;
}

// Whether each row has had its first attempt.
static bool settled(const json_t *rows)
{
    const json_t *row;
    size_t i;
    json_array_foreach (rows, i, row) {
        json_int_t attempts = json_integer_value(json_object_get(row, "attempts"));
        if (is_in(row, "sending") || (is_in(row, "waiting") && !attempts))
            return false;
    }
    return true;
}

// 0: something went out, and nothing that was to go did not; 1: nothing was to go; 75: something waits, or failed.
static int verdict(const json_t *rows)
{
    const json_t *row;
    size_t i;
    bool sent = false, open = false;
    json_array_foreach (rows, i, row) {
        sent |= is_report(row) && (is_in(row, "sent") || is_in(row, "queued"));
        open |= is_in(row, "waiting") || is_in(row, "sending") || is_in(row, "failed") ||
                is_in(row, "unknown");
    }
    return open ? EXIT_TEMP : sent ? EXIT_YES : EXIT_NO;
}

int tls_reports_send(const struct tls_reports_asked *asked)
{
    int status;
    json_t *answer =
        control_ask(asked->config->control, tls_reports_request(asked, "tls-report-send"), &status);
    answer = answer ? tls_reports_complain(answer, status) : NULL;
    if (!answer)
        return status;
    json_decref(answer);
    for (uint64_t until = clock_mono_ms() + WAIT_MS;;) {
        answer = tls_reports_ask(asked, &status);
        if (!answer)
            return status;
        if (settled(json_object_get(answer, "rows")) || clock_mono_ms() >= until)
            break;
        json_decref(answer);
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
    const json_t *rows = json_object_get(answer, "rows");
    tls_reports_print(asked, rows);
    if (json_array_size(rows) == 0)
        fprintf(stderr, "waxwing: no session is recorded for %s on %s\n",
                asked->domain ? asked->domain : "any domain", asked->day);
    status = verdict(rows);
    json_decref(answer);
    return status;
}
