// SPDX-License-Identifier: ISC
// libpq, driven without blocking: what is waited for is the socket, the end of the time, or `stop`.
#include "relay/fleet/session.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/base/span.h"
#include "relay/oauth/secret_file.h"

#define SESSION_PARAMS 12 // of one statement

struct session {
    PGconn *conn;
    int stop;
    char name[300]; // of the host
    char state[SESSION_STATE];
    unsigned patience_ms; // for a statement
    bool warned;
};

// A PGresult is what it stands for.
static PGresult *result_of(const struct rows *rows)
{
    return (PGresult *)(uintptr_t)rows;
}

// Notices are the server's small talk ("relation exists, skipping"); warnings are not.
static void session_hear_notice(void *arg, const PGresult *result)
{
    struct session *s = arg;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    s->warned |= severity && strcmp(severity, "WARNING") == 0;
}

// libpq's words in one line: its sentences stand in lines, hints behind them.
static int session_failed(const struct session *s, const char *text, struct why *why)
{
    char line[400];
    size_t n = 0;
    for (struct span rest = span_trim(span_text(text)); rest.n && n + 1 < sizeof line;
         rest = span_from(rest, 1))
        if (rest.p[0] >= ' ')
            line[n++] = (char)rest.p[0];
        else if (n && line[n - 1] != ' ')
            line[n++] = ' ';
    line[n] = 0;
    return why_set(why, WHY_OURS, "4.3.0", "%s: %s", s->name,
                   line[0] ? line : "the connection is gone");
}

enum turn { TURN_READY, TURN_LATE, TURN_STOPPED };

static enum turn session_wait(const struct session *s, short events, uint64_t until_ms)
{
    struct pollfd fds[2] = {{PQsocket(s->conn), events, 0}, {s->stop, POLLIN, 0}};
    for (;;) {
        uint64_t now = clock_mono_ms();
        int rc = poll(fds, s->stop >= 0 ? 2 : 1, until_ms > now ? (int)(until_ms - now) : 0);
        if (rc < 0 && errno == EINTR)
            continue;
        if (rc > 0 && s->stop >= 0 && fds[1].revents)
            return TURN_STOPPED;
        return rc == 0 ? TURN_LATE : TURN_READY;
    }
}

static int session_gave_up(const struct session *s, enum turn turn, const char *doing,
                           unsigned seconds, struct why *why)
{
    if (turn == TURN_STOPPED)
        return why_set(why, WHY_OURS, "4.3.0", "%s: the relay ends", s->name);
    return why_set(why, WHY_OURS, "4.3.0", "%s: %s within %u s", s->name, doing, seconds);
}

// ---- connecting

static int session_connect(struct session *s, struct why *why)
{
    uint64_t until = clock_mono_ms() + SESSION_CONNECT_MS;
    PostgresPollingStatusType step = PGRES_POLLING_WRITING;
    while (step != PGRES_POLLING_OK) {
        if (step == PGRES_POLLING_FAILED || PQsocket(s->conn) < 0)
            return session_failed(s, PQerrorMessage(s->conn), why);
        enum turn turn = session_wait(s, step == PGRES_POLLING_READING ? POLLIN : POLLOUT, until);
        if (turn != TURN_READY)
            return session_gave_up(s, turn, "no answer", SESSION_CONNECT_MS / 1000, why);
        step = PQconnectPoll(s->conn);
    }
    return PQsetnonblocking(s->conn, 1) == 0 ? 0 : session_failed(s, PQerrorMessage(s->conn), why);
}

// Limits of the server's own: a statement that nobody waits for any more ends there too.
static int session_set_limits(struct session *s, struct why *why)
{
    return session_script(
        s,
        "SET statement_timeout = 15000; SET lock_timeout = 10000;"
        " SET idle_in_transaction_session_timeout = 60000;"
        " SET search_path = pg_catalog; SET DateStyle = ISO; SET bytea_output = hex;"
        " SET default_transaction_isolation = 'read committed'",
        why);
}

struct session *session_open(const struct target *target, size_t host, int stop, struct why *why)
{
    const char *keys[TARGET_WORDS], *values[TARGET_WORDS];
    char *password = NULL;
    if (target->password_file[0] && !(password = secret_read(target->password_file, why)))
        return NULL;
    struct session *s = mem_new(sizeof *s);
    s->stop = stop;
    s->patience_ms = SESSION_STATEMENT_MS;
    target_name(target, host, s->name, sizeof s->name);
    target_words(target, host, password, keys, values);
    s->conn = PQconnectStartParams(keys, values, 0);
    secret_wipe(password);
    if (!s->conn)
        abort(); // no memory
    PQsetNoticeReceiver(s->conn, session_hear_notice, s);
    int rc = PQstatus(s->conn) == CONNECTION_BAD ? session_failed(s, PQerrorMessage(s->conn), why)
                                                 : session_connect(s, why);
    if (rc == 0)
        rc = session_set_limits(s, why);
    if (rc == 0)
        return s;
    session_close(s);
    return NULL;
}

struct session *session_open_any(const struct target *target, size_t *host, int stop,
                                 struct why *why)
{
    struct session *s = NULL;
    struct why last;
    char all[sizeof why->text] = "";
    for (size_t tries = 0; tries < target->nhosts && !s; tries++) {
        *host %= target->nhosts;
        s = session_open(target, *host, stop, &last);
        if (s)
            break;
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "%s%s", n ? "; " : "", last.text);
        *host += 1;
    }
    *host %= target->nhosts;
    if (!s)
        why_set(why, WHY_OURS, "4.3.0", "%s", all);
    return s;
}

void session_last(struct session *s, unsigned ms)
{
    s->stop = -1;
    s->patience_ms = ms;
}

void session_close(struct session *s)
{
    if (!s)
        return;
    PQfinish(s->conn);
    free(s);
}

// ---- statements

static int session_flush(struct session *s, uint64_t until, struct why *why)
{
    int rc;
    while ((rc = PQflush(s->conn)) > 0) {
        enum turn turn = session_wait(s, POLLIN | POLLOUT, until);
        if (turn != TURN_READY)
            return session_gave_up(s, turn, "takes no statement", s->patience_ms / 1000, why);
        if (!PQconsumeInput(s->conn))
            return session_failed(s, PQerrorMessage(s->conn), why);
    }
    return rc == 0 ? 0 : session_failed(s, PQerrorMessage(s->conn), why);
}

static int session_fill(struct session *s, uint64_t until, struct why *why)
{
    while (PQisBusy(s->conn)) {
        enum turn turn = session_wait(s, POLLIN, until);
        if (turn != TURN_READY)
            return session_gave_up(s, turn, "no answer to a statement", s->patience_ms / 1000, why);
        if (!PQconsumeInput(s->conn))
            return session_failed(s, PQerrorMessage(s->conn), why);
    }
    return 0;
}

static void note_state(struct session *s, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    snprintf(s->state, sizeof s->state, "%s", state ? state : "");
}

// Every result of what was sent; the last that is good is kept, the first failure counts.
static int session_collect(struct session *s, uint64_t until, PGresult **out, struct why *why)
{
    int rc = 0;
    for (;;) {
        if (session_fill(s, until, why) < 0)
            return -1;
        PGresult *result = PQgetResult(s->conn);
        if (!result)
            return rc;
        ExecStatusType status = PQresultStatus(result);
        bool good =
            status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
        if (!good && rc == 0) {
            note_state(s, result);
            rc = session_failed(s, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), why);
        }
        if (out && good) {
            PQclear(*out);
            *out = result;
        } else {
            PQclear(result);
        }
    }
}

static int session_finish(struct session *s, int sent, PGresult **out, struct why *why)
{
    uint64_t until = clock_mono_ms() + s->patience_ms;
    s->state[0] = 0;
    s->warned = false;
    if (!sent)
        return session_failed(s, PQerrorMessage(s->conn), why);
    if (session_flush(s, until, why) < 0)
        return -1;
    return session_collect(s, until, out, why);
}

void session_number(char out[static SESSION_NUMBER], int64_t n)
{
    snprintf(out, SESSION_NUMBER, "%" PRId64, n);
}

int session_run(struct session *s, const char *sql, const char *const *params, size_t nparams,
                struct rows **rows, struct why *why)
{
    PGresult *result = NULL;
    int sent = PQsendQueryParams(s->conn, sql, (int)nparams, NULL, params, NULL, NULL, 0);
    int rc = session_finish(s, sent, &result, why);
    if (rc == 0 && rows)
        *rows = (struct rows *)result;
    else
        PQclear(result);
    return rc;
}

int session_run_bytes(struct session *s, const char *sql, const char *const *params, size_t nparams,
                      struct span bytes, struct rows **rows, struct why *why)
{
    static const char none[1];
    const char *values[SESSION_PARAMS] = {NULL};
    int lengths[SESSION_PARAMS] = {0}, formats[SESSION_PARAMS] = {0};
    assert(nparams < SESSION_PARAMS && bytes.n <= INT_MAX);
    for (size_t i = 0; i < nparams; i++)
        values[i] = params[i];
    values[nparams] = bytes.n ? (const char *)bytes.p : none;
    lengths[nparams] = (int)bytes.n;
    formats[nparams] = 1;
    PGresult *result = NULL;
    int sent = PQsendQueryParams(s->conn, sql, (int)nparams + 1, NULL, values, lengths, formats, 0);
    int rc = session_finish(s, sent, &result, why);
    if (rc == 0 && rows)
        *rows = (struct rows *)result;
    else
        PQclear(result);
    return rc;
}

int session_script(struct session *s, const char *sql, struct why *why)
{
    return session_finish(s, PQsendQuery(s->conn, sql), NULL, why);
}

int session_rollback_to(struct session *s, const char *savepoint, struct why *why)
{
    char *sql = mem_printf("ROLLBACK TO SAVEPOINT %s", savepoint);
    int rc = session_script(s, sql, why);
    free(sql);
    return rc;
}

void session_patience(struct session *s, unsigned ms)
{
    s->patience_ms = ms;
}

bool session_warned(const struct session *s)
{
    return s->warned;
}

bool session_stands(const struct session *s)
{
    return PQstatus(s->conn) == CONNECTION_OK && PQtransactionStatus(s->conn) == PQTRANS_IDLE;
}

const char *session_state(const struct session *s)
{
    return s->state;
}

int session_fd(const struct session *s)
{
    return PQsocket(s->conn);
}

bool session_notified(struct session *s, bool *broken)
{
    bool any = false;
    PGnotify *n;
    *broken = !PQconsumeInput(s->conn) || PQstatus(s->conn) == CONNECTION_BAD;
    while ((n = PQnotifies(s->conn))) {
        any = true;
        PQfreemem(n);
    }
    return any;
}

// ---- rows

size_t rows_count(const struct rows *rows)
{
    return (size_t)PQntuples(result_of(rows));
}

const char *rows_text(const struct rows *rows, size_t row, size_t column)
{
    return PQgetvalue(result_of(rows), (int)row, (int)column);
}

int64_t rows_number(const struct rows *rows, size_t row, size_t column)
{
    uint64_t n;
    const char *text = rows_text(rows, row, column);
    return span_number(span_text(text), INT64_MAX, &n) ? (int64_t)n : -1;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// "\\x" and two digits a byte (bytea_output = hex).
bool rows_bytes(const struct rows *rows, size_t row, size_t column, struct buf *out)
{
    const char *text = rows_text(rows, row, column);
    size_t n = strlen(text);
    unsigned char *room;
    if (n < 2 || n % 2 || text[0] != '\\' || text[1] != 'x' ||
        buf_reserve(out, n / 2 - 1, &room) < 0)
        return false;
    for (size_t i = 2; i < n; i += 2) {
        int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
        if (high < 0 || low < 0)
            return false;
        *room++ = (unsigned char)(high << 4 | low);
    }
    out->len += n / 2 - 1;
    return true;
}

bool rows_true(const struct rows *rows, size_t row, size_t column)
{
    return strcmp(rows_text(rows, row, column), "t") == 0;
}

void rows_free(struct rows *rows)
{
    PQclear(result_of(rows));
}
