// SPDX-License-Identifier: ISC
// What is known of a lane's site: its shape within what the configuration allows, the words that taught it, an
// operator's pause; and the row by which it survives a restart. Starts nothing.
#include "relay/queue/lane_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/mem.h"
#include "relay/deliver/retry.h"
#include "relay/log/log.h"
#include "relay/queue/inside.h"
#include "relay/smtp/reply_class.h"

#define SITE_AGAIN_MS 120000
#define SITE_TEXT     300     // bytes
#define SITE_IDLE_MS  3600000 // how long an unused site of which nothing was learned is remembered

const char *site_state_word(enum site_state state)
{
    static const char *const words[] = {"open", "paced", "shut", "paused"};
    return words[state];
}

static int64_t to_wall(uint64_t mono_ms)
{
    return mono_ms ? clock_ms() - (int64_t)clock_mono_ms() + (int64_t)mono_ms : 0;
}

static double per_minute(struct rate rate)
{
    return rate.per_ms ? (double)rate.count * 60000 / (double)rate.per_ms : 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// A rule for the destination whose turn it is only lowers the ceilings.
struct shape_limits site_limits(struct lane *lane)
{
    const struct cfg_delivery *c = &lane->lanes->worker->setup->config->delivery;
    const struct delivery *next = fair_peek(&lane->ready);
    const struct cfg_destination *rule = next && next->route ? next->route->rule : NULL;
    double pace = per_minute(c->shaping.rate), rules = rule ? per_minute(rule->rate) : 0;
    uint64_t connections = c->per_site;
    if (rule && rule->connections)
        connections = least(connections, rule->connections);
    if (rules > 0 && (pace <= 0 || rules < pace))
        pace = rules;
    return (struct shape_limits){
        .connections = (unsigned)connections,
        .start = (unsigned)c->shaping.start,
        .pace = pace,
        .learn = c->shaping.learn,
        .first_ms = least(SHAPE_FIRST_MS, c->retry[0]),
        .last_ms = least(RETRY_HOST_LAST_MS, c->retry[c->nretry - 1]),
    };
}

bool site_paused(struct site *site)
{
    struct site_pause *pause = &site->pause;
    if (!pause->by)
        return false;
    if (!pause->until_ms || clock_ms() < pause->until_ms)
        return true;
    free(pause->by);
    free(pause->reason);
    *pause = (struct site_pause){0};
    site->kept = false;
    return false;
}

// Its time is not over, or the probe is under way. Whoever comes after that time is the probe.
static bool site_is_shut(const struct lane *lane)
{
    const struct shape *shape = &lane->site.shape;
    if (shape->phase == SHAPE_SHUT)
        return clock_mono_ms() < shape->until_ms;
    return shape->phase == SHAPE_PROBE && shape->probing && lane->nsessions;
}

enum site_state site_state(struct lane *lane)
{
    const struct shape *shape = &lane->site.shape;
    struct shape_limits limits = site_limits(lane);
    if (site_paused(&lane->site))
        return SITE_PAUSED;
    if (site_is_shut(lane))
        return SITE_SHUT;
    return shape_pace(shape, &limits) > 0 ? SITE_PACED : SITE_OPEN;
}

// The lesson

static const char *const signs[] = {
    [SHAPE_TAKEN] = "",    [SHAPE_ANSWERED] = "", [SHAPE_CROWD] = "connections",
    [SHAPE_FAST] = "rate", [SHAPE_SLOW] = "busy", [SHAPE_AWAY] = "away",
};

const char *sites_lesson_word(int taught)
{
    bool known = taught >= 0 && (size_t)taught < sizeof signs / sizeof *signs;
    return known ? signs[taught] : "";
}

// A bare 421 may be a host that is being restarted: only the second within a while means a pace.
static bool means_it(struct site *site, const struct deliver_met *met, uint64_t now)
{
    bool again = site->vague_ms && now - site->vague_ms < SITE_AGAIN_MS;
    if (met->vague)
        site->vague_ms = now;
    return !met->vague || again;
}

static enum shape_news news_of(struct site *site, const struct deliver_met *met, uint64_t now)
{
    if (met->sign == DELIVER_CROWD)
        return SHAPE_CROWD;
    if (met->sign == DELIVER_FAST)
        return means_it(site, met, now) ? SHAPE_FAST : SHAPE_SLOW;
    if (met->away && !met->reached)
        return SHAPE_AWAY;
    return met->sign == DELIVER_LATE ? SHAPE_SLOW : met->taken ? SHAPE_TAKEN : SHAPE_ANSWERED;
}

// What a host that is left alone did.
static const char *site_failed(const struct why *why)
{
    enum reply_class class = reply_meaning_of(why).class;
    if (why->reason == REASON_AUTH_REFUSED || class == REPLY_LOGIN)
        return "it refuses this relay's login";
    if (why->tls != WHY_TLS_NONE)
        return "TLS with it is not as demanded";
    if (why->reason == REASON_CONNECT_FAILED || why->reason == REASON_HOST_SILENT)
        return "no connection to a host of it comes about";
    return why->reply[0] ? "it refuses the connection" : "none of its hosts could be used";
}

static const char *site_did(enum shape_news news, const struct why *why)
{
    bool left = strncmp(why->reply, "421", 3) == 0;
    if (news == SHAPE_AWAY)
        return site_failed(why);
    if (reply_meaning_of(why).class == REPLY_REPUTATION)
        return "it refuses mail from this relay, whose address or domain is on a block list or "
               "has a bad reputation";
    switch (news) {
    case SHAPE_CROWD:
        return "it refused one more connection";
    case SHAPE_FAST:
        return left ? "it said 421 more than once, without a word on rates"
                    : "it says that this is too much mail";
    case SHAPE_SLOW:
        return left ? "it said 421, without a word on rates" : "it did not answer in time";
    default:
        return news == SHAPE_TAKEN ? "it takes mail" : "it answers";
    }
}

// The lesson in words: what it did, and what it gets now.
static void site_say(struct lane *lane, enum shape_news news, int64_t pause_ms,
                     const struct why *why, char *out, size_t n)
{
    struct shape_limits limits = site_limits(lane);
    unsigned window = shape_window(&lane->site.shape, &limits);
    double pace = shape_pace(&lane->site.shape, &limits);
    char wait[120] = "", pacing[60] = "no limit of messages a minute";
    if (pause_ms > 0)
        snprintf(wait, sizeof wait,
                 "nothing is sent there for %lld.%lld s, then one message is tried; ",
                 (long long)(pause_ms / 1000), (long long)(pause_ms % 1000 / 100));
    if (pace > 0)
        snprintf(pacing, sizeof pacing, "at most %.0f message%s a minute", pace < 1 ? 1 : pace,
                 pace < 2 ? "" : "s");
    snprintf(out, n, "%s: %sat most %u connection%s, %s", site_did(news, why), wait, window,
             window == 1 ? "" : "s", pacing);
}

static void log_lesson(struct lane *lane, enum shape_news news, const struct why *why)
{
    struct shape_limits limits = site_limits(lane);
    const struct shape *shape = &lane->site.shape;
    uint64_t now = clock_mono_ms();
    char text[SITE_TEXT];
    struct logline line;
    log_begin(&line, LOG_INFO, "site", 0);
    log_text(&line, "site", lane->name);
    log_text(&line, "state", site_state_word(site_state(lane)));
    log_text(&line, "sign", signs[news]);
    log_number(&line, "connections", shape_window(shape, &limits));
    double pace = shape_pace(shape, &limits);
    if (pace > 0)
        log_number(&line, "per_minute", pace < 1 ? 1 : (int64_t)pace);
    bool shut = shape->phase == SHAPE_SHUT && shape->until_ms > now;
    int64_t left = shut ? (int64_t)(shape->until_ms - now) : 0;
    log_seconds(&line, "pause", left);
    if (shut)
        log_seconds(&line, "next", left);
    site_say(lane, news, left, why, text, sizeof text);
    log_text(&line, "text", text);
    log_text(&line, "host", why->host[0] ? why->host : NULL);
    log_why(&line, why);
    struct reply_meaning meaning = reply_meaning_of(why);
    log_text(&line, "class", reply_class_word(meaning.class));
    log_text(&line, "rule", meaning.rule);
    log_end(&line);
}

static void keep_lesson(struct lane *lane, enum shape_news news, const struct why *why)
{
    struct site *site = &lane->site;
    struct counters *c = &lane->lanes->worker->relay->counters;
    if (!site->lesson)
        site->lesson = mem_new(sizeof *site->lesson);
    *site->lesson = *why;
    site->taught_ms = clock_ms();
    lane->lanes->learned = true;
    site->refused += news == SHAPE_CROWD || news == SHAPE_FAST;
    atomic_fetch_add_explicit(&c->lessons[news - SHAPE_CROWD], 1, memory_order_relaxed);
    log_lesson(lane, news, why);
}

void site_learn(struct lane *lane, const struct deliver_met *met, uint64_t begun_ms)
{
    struct site *site = &lane->site;
    struct shape_limits limits = site_limits(lane);
    uint64_t now = clock_mono_ms();
    unsigned others = (unsigned)lane->nreached;
    enum shape_news news = news_of(site, met, now);
    bool new = begun_ms >= site->shape.cut_ms;
    site->used_ms = now;
    site->kept = false;
    site->taken += met->taken;
    shape_hear(&site->shape, &limits, news, begun_ms, others, now);
    if (news >= SHAPE_CROWD && met->taken) // refused by one host, taken by another
        shape_hear(&site->shape, &limits, SHAPE_TAKEN, begun_ms, others, now);
    if (news >= SHAPE_CROWD && new)
        keep_lesson(lane, news, &met->why);
}

static void take_words(struct site *site, const struct site_row *row)
{
    if (!site->lesson)
        site->lesson = mem_new(sizeof *site->lesson);
    why_set(site->lesson, WHY_HOST, row->status, "%s", row->text);
    why_host(site->lesson, row->host);
    why_reply(site->lesson, row->reply);
}

// Only what is later, and asks for less: what a site takes each relay finds out for itself.
void site_hear(struct lane *lane, const struct site_row *row)
{
    struct site *site = &lane->site;
    struct shape_limits limits = site_limits(lane);
    uint64_t now = clock_mono_ms();
    if (row->taught_ms <= site->taught_ms ||
        !shape_lower(&site->shape, &limits, (enum shape_news)row->taught, row->window, row->pace,
                     now))
        return;
    take_words(site, row);
    site->taught_ms = row->taught_ms;
    site->used_ms = now;
    site->kept = false;
    log_lesson(lane, site->shape.taught, site->lesson);
}

static void say_pause(const struct lane *lane, struct why *why)
{
    const struct site_pause *pause = &lane->site.pause;
    char who[400], end[80] = "until somebody resumes them: this pause has no end", at[40];
    if (pause->until_ms) {
        clock_rfc3339(pause->until_ms, at);
        snprintf(end, sizeof end, "until %s", at);
    }
    snprintf(who, sizeof who, "%.60s, for %.120s, %s%s%.150s%s", pause->by, lane->name, end,
             pause->reason[0] ? ", with the note \"" : "", pause->reason,
             pause->reason[0] ? "\"" : "");
    why_say(why, SITE_PAUSED, who);
}

int64_t site_asked_at(struct lane *lane)
{
    const struct shape *shape = &lane->site.shape;
    if (site_paused(&lane->site))
        return lane->site.pause.until_ms ? lane->site.pause.until_ms : INT64_MAX;
    return shape->phase == SHAPE_SHUT ? to_wall(shape->until_ms) : INT64_MAX;
}

// What shut it, and when.
static void say_shut(const struct site *site, struct why *why)
{
    char cause[400], at[40];
    if (!site->lesson || !site->lesson->text[0]) {
        why_say(why, SITE_SHUT, "that was before the restart, and how is not remembered");
        return;
    }
    clock_rfc3339(site->taught_ms, at);
    snprintf(cause, sizeof cause, "%.340s, at %s", site->lesson->text, at);
    why_say(why, SITE_SHUT, cause);
}

void site_probe_now(struct lane *lane)
{
    struct shape *shape = &lane->site.shape;
    uint64_t now = clock_mono_ms();
    if (shape->phase == SHAPE_SHUT && shape->until_ms > now)
        shape->until_ms = now;
}

bool site_waits(struct lane *lane, struct why *why)
{
    struct site *site = &lane->site;
    struct shape_limits limits = site_limits(lane);
    double pace = shape_pace(&site->shape, &limits);
    if (site_paused(site)) {
        say_pause(lane, why);
        return true;
    }
    bool shut = site_is_shut(lane);
    if (!shut && pace <= 0)
        return false;
    if (shut)
        say_shut(site, why);
    else
        why_say(why, SITE_PACED, pace);
    if (!site->lesson)
        return true;
    if (shut && site->lesson->act != ACT_NONE)
        why->act = site->lesson->act; // who can mend what shut it
    why->behind = shut ? site->lesson->reason : REASON_NONE;
    why_host(why, site->lesson->host);
    why_reply(why, site->lesson->reply);
    if (site->lesson->status[0] == '4')
        why_status(why, site->lesson->status);
    return true;
}

// What is kept

bool site_forgettable(struct lane *lane, uint64_t now)
{
    const struct site *site = &lane->site;
    if (!fair_empty(&lane->ready) || lane->nsessions || lane->nidle || site->pause.by)
        return false;
    if (HASH_COUNT(lane->lanes->table) > SITES_KEPT)
        return true;
    uint64_t keep = site->shape.taught == SHAPE_TAKEN
                        ? SITE_IDLE_MS
                        : lane->lanes->worker->setup->config->delivery.shaping.keep;
    return !site->used_ms || now - site->used_ms > keep;
}

void site_free(struct site *site)
{
    free(site->lesson);
    free(site->pause.by);
    free(site->pause.reason);
}

// A moment of the past or of the near future; a clock that was set leads nowhere else.
static uint64_t to_mono(int64_t wall_ms, uint64_t ahead_ms)
{
    int64_t now = (int64_t)clock_mono_ms(), at = wall_ms - clock_ms() + now;
    if (!wall_ms)
        return 0;
    if (at > now + (int64_t)ahead_ms)
        at = now + (int64_t)ahead_ms;
    return at > 1 ? (uint64_t)at : 1;
}

void site_describe(struct lane *lane, struct site_row *row)
{
    const struct site *site = &lane->site;
    const struct shape *shape = &site->shape;
    const struct why *why = site->lesson;
    *row = (struct site_row){
        .site = mem_dup(lane->name),
        .window = shape->window,
        .crowd = shape->crowd,
        .pace = shape->pace,
        .fast = shape->fast,
        .taught = shape->taught,
        .taught_ms = site->taught_ms,
        .used_ms = to_wall(site->used_ms),
        .trouble_ms = shape->phase == SHAPE_OPEN ? 0 : to_wall(shape->trouble_ms),
        .until_ms = shape->phase == SHAPE_SHUT ? to_wall(shape->until_ms) : 0,
        .host = mem_dup(why ? why->host : ""),
        .status = mem_dup(why ? why->status : ""),
        .reply = mem_dup(why ? why->reply : ""),
        .text = mem_dup(why ? why->text : ""),
        .pause = site->pause,
    };
    row->pause.by = mem_dup(site->pause.by);
    row->pause.reason = mem_dup(site->pause.reason);
}

static void restore_shape(struct shape *shape, const struct site_row *row, uint64_t longest)
{
    bool sane =
        row->pace >= 0 && row->fast >= 0 && row->taught >= SHAPE_TAKEN && row->taught <= SHAPE_AWAY;
    if (!sane)
        return;
    shape->window = shape->proved = row->window;
    shape->crowd = row->crowd;
    shape->pace = row->pace;
    shape->fast = row->fast;
    shape->sure = row->pace > 0;
    shape->taught = (enum shape_news)row->taught;
    shape->cut_ms = shape->grown_ms = to_mono(row->taught_ms, 0);
    if (!row->trouble_ms)
        return;
    shape->trouble_ms = to_mono(row->trouble_ms, 0);
    shape->phase = SHAPE_SHUT;
    shape->until_ms = to_mono(row->until_ms, longest);
}

void site_restore(struct lane *lane, const struct site_row *row)
{
    struct site *site = &lane->site;
    struct shape_limits limits = site_limits(lane);
    restore_shape(&site->shape, row, limits.last_ms);
    site->taught_ms = row->taught_ms;
    site->used_ms = to_mono(row->used_ms, 0);
    site->kept = true;
    if (row->taught)
        take_words(site, row);
    if (!row->pause.by)
        return;
    site->pause = row->pause;
    site->pause.by = mem_dup(row->pause.by);
    site->pause.reason = mem_dup(row->pause.reason ? row->pause.reason : "");
}
