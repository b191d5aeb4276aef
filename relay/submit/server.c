// SPDX-License-Identifier: ISC
// A worker's listeners and the host of its sessions. Limits on connections and bans are applied by
// the session as soon as the client's address is known (a PROXY header may name it).
#include "relay/submit/server.h"

#include <assert.h>
#include <stdlib.h>
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/net/accept.h"
#include "relay/submit/session.h"

struct listener {
    struct acceptor *acceptor; // NULL: closed, or it could not be opened
    struct server *server;
    const struct cfg_listen *config; // of server->first
};

struct server {
    struct submit_host host;
    struct setup *first; // the setup it started with: the listeners are its
    struct listener *listeners;
    size_t nlisteners, open; // open: handles whose close callback has not come
    void (*gone)(void *arg);
    void *arg;
    struct item told; // posts `gone`
};

static void server_tell_gone(struct item *item)
{
    struct server *server = (struct server *)(void *)((char *)item - offsetof(struct server, told));
    server->gone(server->arg);
}

static void look_whether_gone(struct server *server)
{
    if (!server->gone || server->host.nsessions || server->open || server->told.run)
        return;
    server->told.run = server_tell_gone; // posted once
    inbox_post(server->host.worker->mail, &server->told);
}

static void server_session_freed(struct submit_host *host)
{
    look_whether_gone((struct server *)(void *)host); // host is its first member
}

static void server_on_client(void *arg, int fd)
{
    struct listener *l = arg;
    submit_accept(&l->server->host, l->config, fd);
}

static void server_on_closed(void *arg)
{
    struct listener *l = arg;
    l->server->open--;
    look_whether_gone(l->server);
}

static int listen_on(struct listener *l, struct server *server, const struct cfg_listen *config,
                     int fd, struct why *why)
{
    l->server = server;
    l->config = config;
    const struct acceptor_options options = {
        .name = config->text,
        .busy = config->implicit_tls ? NULL : "421 4.3.2 Too many connections, try again later\r\n",
        .client = server_on_client,
        .closed = server_on_closed,
        .arg = l};
    l->acceptor = acceptor_open(&server->host.worker->loop, fd, &options, why);
    server->open += l->acceptor != NULL;
    return l->acceptor ? 0 : -1;
}

struct server *server_new(struct worker *worker, const int *fds, size_t nfds)
{
    struct server *server = mem_new(sizeof *server);
    struct submit_host *host = &server->host;
    server->first = setup_ref(worker->setup);
    assert(nfds <= server->first->config->nlisten);
    host->worker = worker;
    host->setup = setup_ref(worker->setup);
    host->limits = limits_shared(&worker->relay->limits);
    host->auth = auth_new(host->limits, &worker->loop, worker->mail);
    host->freed = server_session_freed;
    host->room = acceptor_room();
    list_init(&host->sessions);
    server->listeners = mem_new((nfds ? nfds : 1) * sizeof *server->listeners);
    server->nlisteners = nfds;
    for (size_t i = 0; i < nfds; i++) {
        const struct cfg_listen *config = &server->first->config->listen[i];
        struct why why;
        if (listen_on(&server->listeners[i], server, config, fds[i], &why) < 0)
            log_alarm("listen", "%s", why.text);
    }
    return server;
}

void server_reload(struct server *server, struct setup *setup)
{
    struct setup *old = server->host.setup;
    server->host.setup = setup_ref(setup);
    setup_unref(old);
}

static void close_listeners(struct server *server)
{
    for (size_t i = 0; i < server->nlisteners; i++) {
        acceptor_close(server->listeners[i].acceptor);
        server->listeners[i].acceptor = NULL;
    }
}

void server_drain(struct server *server)
{
    server->host.draining = true;
    close_listeners(server);
    submit_drain(&server->host);
}

size_t server_sessions(const struct server *server)
{
    return server->host.nsessions;
}

void server_stop(struct server *server, void (*gone)(void *arg), void *arg)
{
    server->host.draining = true;
    server->gone = gone;
    server->arg = arg;
    close_listeners(server);
    submit_stop(&server->host);
    look_whether_gone(server);
}

void server_free(struct server *server)
{
    if (!server)
        return;
    assert(!server->host.nsessions && !server->open);
    auth_free(server->host.auth);
    limits_unref(server->host.limits);
    setup_unref(server->host.setup);
    setup_unref(server->first);
    free(server->listeners);
    free(server);
}
