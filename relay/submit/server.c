// SPDX-License-Identifier: ISC
// A worker's listeners and the host of its sessions. Limits on connections and bans are applied by
// the session as soon as the client's address is known (a PROXY header may name it).
#include "relay/submit/server.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/log/log.h"
#include "relay/net/accept.h"
#include "relay/submit/session.h"

struct listener {
    struct acceptor *acceptor;
    struct server *server;
    const struct cfg_listen *config; // of the last of server->served
};

struct server {
    struct submit_host host;
    struct setup **served; // the setups that sessions may have their listener from; kept to the end
    size_t nserved;
    struct listener **listeners; // NULL: one that could not be opened
    size_t nlisteners, open;     // open: those whose end has not been heard of
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
    struct server *server = l->server;
    free(l);
    server->open--;
    look_whether_gone(server);
}

static struct listener *listen_on(struct server *server, const struct cfg_listen *config, int fd)
{
    struct listener *l = mem_new(sizeof *l);
    struct why why;
    l->server = server;
    l->config = config;
    const struct acceptor_options options = {
        .name = config->text,
        .busy = config->implicit_tls ? NULL : "421 4.3.2 Too many connections, try again later\r\n",
        .client = server_on_client,
        .closed = server_on_closed,
        .arg = l};
    l->acceptor = acceptor_open(&server->host.worker->loop, fd, &options, &why);
    if (l->acceptor) {
        server->open++;
        return l;
    }
    log_alarm("listen", why.reason, "%s", why.text);
    free(l);
    return NULL;
}

// The listener that stands at this address, taken out of the old ones.
static struct listener *keep(struct server *server, const struct cfg_listen *config)
{
    for (size_t i = 0; i < server->nlisteners; i++) {
        struct listener *l = server->listeners[i];
        if (!l || strcmp(l->config->text, config->text) != 0)
            continue;
        server->listeners[i] = NULL;
        l->config = config;
        return l;
    }
    return NULL;
}

static void close_listeners(struct server *server)
{
    for (size_t i = 0; i < server->nlisteners; i++)
        if (server->listeners[i])
            acceptor_close(server->listeners[i]->acceptor);
    free(server->listeners);
    server->listeners = NULL;
    server->nlisteners = 0;
}

// fds[i] belongs to config->listen[i]; -1: a socket that stands already.
static void listen_as(struct server *server, struct setup *setup, const int *fds, size_t nfds)
{
    struct listener **now = mem_new((nfds + 1) * sizeof(struct listener *));
    server->served = mem_grow(server->served, server->nserved + 1, sizeof(struct setup *));
    server->served[server->nserved++] = setup_ref(setup);
    for (size_t i = 0; i < nfds; i++) {
        const struct cfg_listen *config = &setup->config->listen[i];
        if (fds[i] < 0)
            now[i] = keep(server, config);
        else if (server->host.draining)
            close(fds[i]);
        else
            now[i] = listen_on(server, config, fds[i]);
    }
    close_listeners(server); // those that are left
    server->listeners = now;
    server->nlisteners = nfds;
}

struct server *server_new(struct worker *worker, const int *fds, size_t nfds)
{
    struct server *server = mem_new(sizeof *server);
    struct submit_host *host = &server->host;
    assert(nfds <= worker->setup->config->nlisten);
    host->worker = worker;
    host->limits = limits_shared(&worker->relay->limits);
    limits_share(host->limits, worker->relay->slices);
    host->auth = auth_new(host->limits, &worker->loop, worker->mail, worker->setup->config);
    host->freed = server_session_freed;
    host->room = acceptor_room();
    list_init(&host->sessions);
    listen_as(server, worker->setup, fds, nfds);
    return server;
}

void server_reload(struct server *server, const int *fds)
{
    struct setup *setup = server->host.worker->setup;
    auth_reload(server->host.auth, setup->config);
    if (fds)
        listen_as(server, setup, fds, setup->config->nlisten);
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
    for (size_t i = 0; i < server->nserved; i++)
        setup_unref(server->served[i]);
    free(server->served);
    free(server->listeners);
    free(server);
}
