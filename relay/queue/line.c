// SPDX-License-Identifier: ISC
// One line a recipient. What was not done now is not told as if it had been: of an attempt without a connection there
// is no TLS to tell, and an old reply is part of a sentence.
#include "relay/queue/line.h"

#include <stdio.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/reasons.h"
#include "relay/queue/unmet.h"
#include "relay/smtp/reply_class.h"

// Whether a host was talked to, or at least connected to.
static bool is_connected(const struct attempt *a, const struct why *why)
{
    if (!why)
        return true;
    if (!a || unmet(a, why))
        return false;
    return a->local[0] || why->reply[0] || (a->tls[0] && strcmp(a->tls, "none") != 0);
}

static void write_attempt(struct logline *out, const struct attempt *a, const struct why *why)
{
    bool connected = is_connected(a, why);
    log_text(out, "host", a && a->host[0] ? a->host : why && why->host[0] ? why->host : NULL);
    log_text(out, "ip", a && a->ip[0] ? a->ip : NULL);
    if (!connected)
        log_text(out, "connected", "no");
    log_text(out, "tls", a && connected ? a->tls : NULL);
    log_text(out, "demand", a && a->demand[0] ? a->demand : NULL);
    log_text(out, "source", a && a->source[0] ? a->source : NULL);
    log_text(out, "proof", a && connected ? a->proof : NULL);
}

// What the reply is about, where its kind says more than the command that it answers.
static void add_meaning(const struct why *why, const struct reply_meaning *meaning, char *text,
                        size_t room)
{
    bool login = why->reason == REASON_AUTH_REFUSED || why->reason == REASON_AUTH_DEFERRED;
    const char *about = login ? "" : reply_class_about(meaning->class); // AUTH says it itself
    size_t n = strlen(text);
    bool of_code =
        strncmp(meaning->rule, "enhanced-", 9) == 0 || strncmp(meaning->rule, "code-", 5) == 0;
    if (why->reply[0] && about[0])
        snprintf(text + n, room - n, ": %s%s", of_code ? "by its code, " : "", about);
}

static void write_reason(struct logline *out, const struct attempt *a, const struct why *why,
                         const struct reply_meaning *meaning)
{
    struct why told = *why;
    if (!unmet(a, why)) {
        add_meaning(why, meaning, told.text, sizeof told.text);
    } else if (why->reply[0]) {
        size_t n = strlen(told.text);
        snprintf(told.text + n, sizeof told.text - n, "; it said then: %s", why->reply);
        told.reply[0] = 0;
    }
    log_why(out, &told);
}

// A look-up that failed: a resolver of ours said so, and another one can tell whose fault it is.
static void write_server(struct logline *out, const struct delivery *d, const struct why *why)
{
    char command[400];
    if (!why->server[0])
        return;
    log_text(out, "server", why->server);
    snprintf(command, sizeof command, "waxwing explain %.253s --resolver IP", d->domain);
    log_text(out, "try", command);
}

// The host refused for good what says nothing about the message.
static const char *kept(const struct why *why)
{
    return why->reason == REASON_AUTH_REFUSED
               ? "the host refuses this relay's login for good, and not the message"
               : "the host's reply is for good, and not about the message";
}

static void write_failure(struct logline *out, const struct line *line)
{
    const struct why *why = line->why;
    struct reply_meaning meaning = reply_meaning_of(why);
    write_reason(out, line->r->attempt, why, &meaning);
    write_server(out, line->d, why);
    if (why->behind != REASON_NONE)
        log_text(out, "cause", reason_row(why->behind)->name);
    log_text(out, "class", reply_class_word(meaning.class));
    log_text(out, "rule", meaning.rule);
    if (strcmp(line->event, "deferred") == 0 && why->reply[0] == '5' && why->status[0] == '4')
        log_text(out, "kept", kept(why));
}

static void write_future(struct logline *out, const struct line *line)
{
    char at[40];
    if (strcmp(line->event, "deferred") == 0) {
        if (line->next_ms > line->now_ms && line->next_ms != INT64_MAX)
            log_seconds(out, "next", line->next_ms - line->now_ms);
        clock_rfc3339(line->expires_ms, at);
        log_text(out, "expires", at);
    }
    log_text(out, "because", line->because && line->because[0] ? line->because : NULL);
    log_text(out, "told", line->told);
}

void line_write(const struct line *line)
{
    const struct attempt *a = line->r->attempt;
    const struct envelope *env = &line->d->message->env;
    struct logline out;
    log_begin(&out, line->level, line->event, env->id);
    log_address(&out, "to", line->r->recipient->address);
    write_attempt(&out, a, line->why);
    if (line->why) {
        write_failure(&out, line);
    } else {
        log_text(&out, "status", a->status);
        log_text(&out, "reply", a->reply);
    }
    int64_t age = line->now_ms - env->created_ms; // a clock may have been set back
    log_seconds(&out, "delay", age > 0 ? age : 0);
    write_future(&out, line);
    log_end(&out);
}

// ---- why then

void line_say_step(const uint64_t *steps, size_t nsteps, unsigned attempts, enum line_cut cut,
                   char out[static LINE_BECAUSE])
{
    static const char *const ends[] = {
        [LINE_WHOLE] = " and some jitter",
        [LINE_FOR_NOTICE] = ", shortened so that a try comes before the delay notice",
        [LINE_FOR_END] = ", shortened so that a last try comes before it is given up",
    };
    uint64_t step = steps[attempts <= nsteps ? attempts - 1 : nsteps - 1];
    snprintf(out, LINE_BECAUSE, "step %u of delivery.retry, %llu s%s", attempts,
             (unsigned long long)(step / 1000), ends[cut]);
}

void line_say_site(const struct why *why, const char *site, bool ends,
                   char out[static LINE_BECAUSE])
{
    if (why->reason == REASON_SITE_PACED)
        snprintf(out, LINE_BECAUSE,
                 "its site gets so many messages a minute, and others are "
                 "before it");
    else if (why->reason != REASON_SITE_PAUSED)
        snprintf(out, LINE_BECAUSE,
                 "its site gets one message then; the others go when that one "
                 "is taken");
    else if (ends)
        snprintf(out, LINE_BECAUSE,
                 "the pause ends by itself then, or before: waxwing resume %.180s",
                 site ? site : "SITE");
    else
        snprintf(out, LINE_BECAUSE,
                 "the pause has no end, until somebody says: waxwing resume %.180s",
                 site ? site : "SITE");
}
