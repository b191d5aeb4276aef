// SPDX-License-Identifier: ISC
// A worker's listeners and the host of its sessions. Limits on connections and bans are applied by
// the session as soon as the client's address is known (a PROXY header may name it).
#include "relay/submit/server.h"

#include <assert.h>
#include <stdlib.h>
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/submit/session.h"

#define BACKLOG 511

struct listener {
    uv_tcp_t tcp;
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

static void server_connection(uv_stream_t *stream, int status)
{
    struct listener *l = stream->data;
    if (status < 0) {
        log_alarm("accept", "%s: %s", l->config->text, uv_strerror(status));
        return;
    }
    submit_accept(&l->server->host, l->config, stream);
}

static int listen_on(struct listener *l, struct server *server, const struct cfg_listen *config,
                     int fd)
{
    l->server = server;
    l->config = config;
    l->tcp.data = l;
    int rc = uv_tcp_init(&server->host.worker->loop, &l->tcp);
    assert(rc == 0);
    server->open++;
    rc = uv_tcp_open(&l->tcp, fd);
    return rc < 0 ? rc : uv_listen((uv_stream_t *)&l->tcp, BACKLOG, server_connection);
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
    list_init(&host->sessions);
    server->listeners = mem_new((nfds ? nfds : 1) * sizeof *server->listeners);
    server->nlisteners = nfds;
    for (size_t i = 0; i < nfds; i++) {
        const struct cfg_listen *config = &server->first->config->listen[i];
        int rc = listen_on(&server->listeners[i], server, config, fds[i]);
        if (rc < 0)
            log_alarm("listen", "%s: %s", config->text, uv_strerror(rc));
    }
    return server;
}

void server_reload(struct server *server, struct setup *setup)
{
    struct setup *old = server->host.setup;
    server->host.setup = setup_ref(setup);
    setup_unref(old);
}

static void server_listener_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;
    l->server->open--;
    look_whether_gone(l->server);
}

static void close_listeners(struct server *server)
{
    for (size_t i = 0; i < server->nlisteners; i++) {
        uv_handle_t *handle = (uv_handle_t *)&server->listeners[i].tcp;
        if (!uv_is_closing(handle))
            uv_close(handle, server_listener_closed);
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
