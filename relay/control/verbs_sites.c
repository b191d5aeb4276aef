// SPDX-License-Identifier: ISC
// The verbs about sites: what each gets and what taught it, pause and resume. Through the workers one after the other,
// each on its own thread.
#include <stdlib.h>
#include <string.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/list.h"
#include "relay/base/mem.h"
#include "relay/control/inside.h"
#include "relay/log/json.h"
#include "relay/queue/sites.h"
#include "relay/route/routes.h"

#define SITES_WHERE 512 // bytes of a name that a pause is asked for

struct sites_round {
    struct item item;
    struct control_call *call;
    struct relay *relay;
    struct inbox *mail;
    void (*visit)(struct worker *worker, struct sites_round *round);
    void (*end)(struct sites_round *round);
    unsigned worker;
    json_t *rows; // of the answer: sites, or the names that were changed
    char *site;   // the one that is asked for; NULL: all
    char name[SITES_WHERE], by[64];
    bool pauses, every;
    struct site_pause pause;
};

static void verbs_sites_free(struct sites_round *round)
{
    free(round->site);
    free(round->pause.by);
    free(round->pause.reason);
    json_decref(round->rows);
    free(round);
}

// On a worker's thread.
static void verbs_sites_on_worker(struct worker *worker, void *arg)
{
    struct sites_round *round = arg;
    if (worker->queue)
        round->visit(worker, round);
    inbox_post(round->mail, &round->item);
}

// On the main loop.
static void verbs_sites_next(struct item *item)
{
    struct sites_round *round = list_of(item, struct sites_round, item);
    if (round->worker < round->relay->nworkers)
        worker_call(round->relay->workers[round->worker++], verbs_sites_on_worker, round);
    else
        round->end(round);
}

static struct sites_round *verbs_sites_round(struct control_call *call, struct relay *relay)
{
    struct sites_round *round = mem_new(sizeof *round);
    round->item.run = verbs_sites_next;
    round->call = call;
    round->relay = relay;
    round->mail = control_mail(call);
    round->rows = json_array();
    return round;
}

// sites

static json_t *verbs_sites_time(int64_t ms)
{
    return ms ? json_integer(ms / 1000) : json_null();
}

static json_t *verbs_sites_lesson(const struct site_row *row)
{
    if (!row->taught)
        return json_null();
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "sign", sites_lesson_word(row->taught),
                     "time", verbs_sites_time(row->taught_ms), "host", json_text(row->host),
                     "status", json_text(row->status), "reply", json_text(row->reply), "text",
                     json_text(row->text));
}

static json_t *verbs_sites_pause(const struct site_pause *pause)
{
    if (!pause->by)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o}", "by", json_text(pause->by), "reason",
                     json_text(pause->reason), "since", verbs_sites_time(pause->since_ms), "until",
                     verbs_sites_time(pause->until_ms));
}

static void verbs_sites_on_view(const struct site_view *view, void *arg)
{
    struct sites_round *round = arg;
    const struct site_row *row = view->row;
    if (round->site && strcmp(row->site, round->site) != 0)
        return;
    json_t *j = json_object();
    json_object_set_new(j, "site", json_text(row->site));
    json_object_set_new(j, "state", json_string(site_state_word(view->state)));
    json_object_set_new(j, "ready", json_integer((json_int_t)view->ready));
    json_object_set_new(j, "active", json_integer((json_int_t)view->sessions));
    json_object_set_new(j, "idle", json_integer((json_int_t)view->idle));
    json_object_set_new(j, "connections", json_integer(view->window));
    json_object_set_new(j, "ceiling", json_integer(view->ceiling));
    json_object_set_new(j, "per_minute", view->pace > 0 ? json_real(view->pace) : json_null());
    json_object_set_new(j, "last_minute", json_integer(view->minute));
    json_object_set_new(j, "taken", json_integer((json_int_t)view->taken));
    json_object_set_new(j, "refused", json_integer((json_int_t)view->refused));
    json_object_set_new(j, "trouble_since", verbs_sites_time(row->trouble_ms));
    json_object_set_new(j, "next", verbs_sites_time(row->until_ms));
    json_object_set_new(j, "lesson", verbs_sites_lesson(row));
    json_object_set_new(j, "paused", verbs_sites_pause(&row->pause));
    json_array_append_new(round->rows, j);
}

static void verbs_sites_list(struct worker *worker, struct sites_round *round)
{
    sites_each(worker->queue, verbs_sites_on_view, round);
}

static void verbs_sites_listed(struct sites_round *round)
{
    control_answer(round->call, EXIT_YES, json_pack("{s:O}", "sites", round->rows));
    verbs_sites_free(round);
}

static void verbs_sites_tell(struct control_call *call, struct relay *relay, const json_t *request)
{
    struct sites_round *round = verbs_sites_round(call, relay);
    const char *site = json_string_value(json_object_get(request, "site")); // NULL: all
    round->site = mem_dup(site);
    round->visit = verbs_sites_list;
    round->end = verbs_sites_listed;
    verbs_sites_next(&round->item);
}

// pause and resume

static void verbs_sites_on_name(const struct site_view *view, void *arg)
{
    struct sites_round *round = arg;
    bool wanted =
        round->every ? view->row->pause.by != NULL : queue_site_is(view->row->site, round->name);
    if (wanted)
        json_array_append_new(round->rows, json_text(view->row->site));
}

// The names first: a pause may make a lane, and must not while they are walked through.
static void verbs_sites_change(struct worker *worker, struct sites_round *round)
{
    size_t i = json_array_size(round->rows);
    sites_each(worker->queue, verbs_sites_on_name, round);
    while (i < json_array_size(round->rows)) {
        const char *site = json_string_value(json_array_get(round->rows, i));
        if (sites_pause(worker->queue, site, round->pauses ? &round->pause : NULL, round->by))
            i++;
        else
            json_array_remove(round->rows, i);
    }
}

static void verbs_sites_changed(struct sites_round *round)
{
    bool none = !json_array_size(round->rows);
    control_answer(round->call, none ? EXIT_NO : EXIT_YES,
                   json_pack("{s:O}", "sites", round->rows));
    verbs_sites_free(round);
}

static void verbs_sites_change_one(struct worker *worker, void *arg)
{
    struct sites_round *round = arg;
    const char *site = json_string_value(json_array_get(round->rows, 0));
    bool done = worker->queue &&
                sites_pause(worker->queue, site, round->pauses ? &round->pause : NULL, round->by);
    if (!done)
        json_array_clear(round->rows);
    inbox_post(round->mail, &round->item);
}

// No site of that name is known: a domain is meant, and where its mail goes.
static void verbs_sites_on_route(struct route *route, void *arg)
{
    struct sites_round *round = arg;
    if (route->verdict != ROUTE_DELIVER) {
        control_error(round->call, EXIT_NO, "%s is no site, and no domain that mail goes to: %s",
                      round->name, route->why.text);
        verbs_sites_free(round);
        return;
    }
    json_array_append_new(round->rows, json_text(route->site));
    round->end = verbs_sites_changed;
    worker_call(worker_for_site(round->relay, route->site), verbs_sites_change_one, round);
}

static void verbs_sites_look_up(struct sites_round *round)
{
    if (json_array_size(round->rows) || round->every) {
        verbs_sites_changed(round);
        return;
    }
    route_ask(round->relay->routes, round->mail, &(struct route_wish){.domain = round->name},
              verbs_sites_on_route, round);
}

static void verbs_sites_begin(struct control_call *call, struct relay *relay, const json_t *request,
                              bool pauses)
{
    const char *name = json_string_value(json_object_get(request, "site"));
    bool every = !pauses && json_is_true(json_object_get(request, "all"));
    if (!every && (!name || !name[0] || strlen(name) >= SITES_WHERE)) {
        control_error(call, EXIT_USAGE, "which site?");
        return;
    }
    struct sites_round *round = verbs_sites_round(call, relay);
    const char *reason = json_string_value(json_object_get(request, "reason"));
    json_int_t for_ms = json_number_of(request, "for_ms");
    round->every = every;
    round->pauses = pauses;
    strcpy(round->name, name ? name : "");
    control_by(call, round->by, sizeof round->by);
    round->pause = (struct site_pause){
        .by = mem_dup(round->by),
        .reason = mem_dup(reason ? reason : ""),
        .since_ms = clock_ms(),
        .until_ms = for_ms > 0 ? clock_ms() + for_ms : 0,
    };
    round->visit = verbs_sites_change;
    round->end = verbs_sites_look_up;
    verbs_sites_next(&round->item);
}

static void verbs_sites_do_pause(struct control_call *call, struct relay *relay,
                                 const json_t *request)
{
    verbs_sites_begin(call, relay, request, true);
}

static void verbs_sites_do_resume(struct control_call *call, struct relay *relay,
                                  const json_t *request)
{
    verbs_sites_begin(call, relay, request, false);
}

const struct control_verb control_site_verbs[] = {
    {"sites", false, verbs_sites_tell},
    {"site-pause", true, verbs_sites_do_pause},
    {"site-resume", true, verbs_sites_do_resume},
    {NULL, false, NULL},
};
