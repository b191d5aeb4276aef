// SPDX-License-Identifier: ISC
// The MX host of unit tests: a thread that accepts and one per connection, blocking sockets, GnuTLS where TLS
// is asked for. Answers as a good server does unless its script says otherwise.
#include "tests/unit/fakemx_inside.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/unit/certs.h"
#include "tests/unit/chaos.h"

static ssize_t get(struct session *s, void *to, size_t n)
{
    if (!s->tls)
        return recv(s->fd, to, n, 0);
    ssize_t got;
    do
        got = gnutls_record_recv(s->tls, to, n);
    while (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED);
    return got;
}

// With FAKEMX_WIRE in the environment, what passes is told.
static void tell(const struct session *s, const char *way, const char *bytes, size_t n)
{
    if (getenv("FAKEMX_WIRE"))
        fprintf(stderr, "mx %u %s %.*s\n", (unsigned)s->mx->port, way, (int)n, bytes);
}

static void put(struct session *s, const char *bytes, size_t n)
{
    tell(s, ">", bytes, n);
    pthread_mutex_lock(&s->mx->lock);
    bool cut = n > s->mx->cut - s->said;
    n = cut ? s->mx->cut - s->said : n;
    s->said += n;
    s->mx->said += n;
    pthread_mutex_unlock(&s->mx->lock);
    while (n) {
        ssize_t done =
            s->tls ? gnutls_record_send(s->tls, bytes, n) : send(s->fd, bytes, n, MSG_NOSIGNAL);
        if (done <= 0)
            return;
        bytes += done;
        n -= (size_t)done;
    }
    if (cut)
        shutdown(s->fd, SHUT_RDWR);
}

static bool fill(struct session *s)
{
    memmove(s->room, s->in, s->n);
    s->in = s->room;
    ssize_t got = s->n < sizeof s->room ? get(s, s->in + s->n, sizeof s->room - s->n) : -1;
    if (got <= 0)
        return false;
    s->n += (size_t)got;
    return true;
}

static void drop(struct session *s, size_t n)
{
    s->in += n;
    s->n -= n;
}

static void mx_put(void *to, const char *bytes, size_t n)
{
    put(to, bytes, n);
}

// One line without its end.
static bool line(struct session *s, char *out, size_t room)
{
    char *end;
    while (!(end = memmem(s->in, s->n, "\r\n", 2)))
        if (!fill(s))
            return false;
    size_t n = (size_t)(end - s->in);
    snprintf(out, room, "%.*s", (int)n, s->in);
    drop(s, n + 2);
    return true;
}

// What is struck takes the place of the reply that would be.
static bool struck(struct session *s, char out[REPLY])
{
    struct mx *mx = s->mx;
    pthread_mutex_lock(&mx->lock);
    bool now = mx->strike_at && ++mx->replies == mx->strike_at;
    bool instead = now && (mx->strike_missing || mx->strike[0] == '=');
    s->more = now && !instead;
    s->leaves = now && strncmp(mx->strike, "=421", 4) == 0 && !mx->stays;
    mx->struck |= now;
    if (instead)
        snprintf(out, REPLY, "%s", mx->strike_missing ? MX_SILENT : mx->strike + 1);
    pthread_mutex_unlock(&mx->lock);
    return instead;
}

static bool scripted(struct session *s, const char *step, char out[REPLY])
{
    if (strcmp(step, "bdat?") != 0 && strcmp(step, "none") != 0 && struck(s, out))
        return true;
    if (strcmp(step, "bdat?") != 0 && strcmp(step, "none") != 0 &&
        chaos_wrong(&s->chaos, out, REPLY))
        return true;
    struct mx *mx = s->mx;
    bool found = false;
    pthread_mutex_lock(&mx->lock);
    for (size_t i = 0; i < mx->nrules && !found; i++) {
        struct rule *r = &mx->rules[i];
        if (strcmp(r->step, step) != 0 || r->used)
            continue;
        r->used = r->once;
        memcpy(out, r->reply, sizeof r->reply);
        found = true;
    }
    pthread_mutex_unlock(&mx->lock);
    return found;
}

// Sends what the script or habit says; *code is the reply's. False: the session ends.
static bool answer(struct session *s, const char *step, const char *usual, int *code)
{
    char reply[REPLY], text[2 * REPLY] = "";
    if (!scripted(s, step, reply))
        snprintf(reply, sizeof reply, "%s", usual);
    *code = atoi(reply);
    if (strcmp(reply, MX_CLOSE) == 0)
        return false;
    if (strcmp(reply, MX_SILENT) == 0)
        return true;
    char *rest = NULL;
    for (char *p = strtok_r(reply, "\n", &rest); p; p = strtok_r(NULL, "\n", &rest)) {
        if (strcmp(p, MX_WAIT) == 0) {
            put(s, text, strlen(text));
            text[0] = '\0';
            usleep(WAIT_US);
            continue;
        }
        strcat(text, p);
        strcat(text, "\r\n");
    }
    if (s->more) {
        strcat(text, s->mx->strike);
        strcat(text, "\r\n");
        s->more = false;
    }
    if (chaos_strikes(&s->chaos))
        return chaos_put(&s->chaos, strcmp(step, "none") == 0, text, strlen(text), mx_put, s);
    put(s, text, strlen(text));
    if (s->leaves) {
        shutdown(s->fd, SHUT_RDWR);
        return false;
    }
    return true;
}

static void wait_while_held(struct session *s)
{
    char first;
    struct mx *mx = s->mx;
    pthread_mutex_lock(&mx->lock);
    if (mx->hold) {
        pthread_mutex_unlock(&mx->lock);
        recv(s->fd, &first, 1, MSG_PEEK); // the ClientHello is there
        pthread_mutex_lock(&mx->lock);
        mx->held++;
        while (mx->hold && !mx->stopping) {
            pthread_mutex_unlock(&mx->lock);
            usleep(1000);
            pthread_mutex_lock(&mx->lock);
        }
        mx->held--;
    }
    pthread_mutex_unlock(&mx->lock);
}

static int refuse_name(gnutls_session_t tls)
{
    char name[256];
    size_t n = sizeof name;
    unsigned type;
    return gnutls_server_name_get(tls, name, &n, &type, 0) == 0 ? GNUTLS_E_UNRECOGNIZED_NAME : 0;
}

static bool handshake(struct session *s)
{
    struct mx *mx = s->mx;
    wait_while_held(s);
    gnutls_init(&s->tls, GNUTLS_SERVER | GNUTLS_NO_SIGNAL);
    gnutls_set_default_priority(s->tls);
    if (mx->no_names)
        gnutls_handshake_set_post_client_hello_function(s->tls, refuse_name);
    gnutls_credentials_set(s->tls, GNUTLS_CRD_CERTIFICATE, mx->cred);
    gnutls_session_ticket_enable_server(s->tls, &mx->ticket_key);
    gnutls_transport_set_int(s->tls, s->fd);
    int rc;
    do
        rc = gnutls_handshake(s->tls);
    while (rc < 0 && !gnutls_error_is_fatal(rc));
    if (rc < 0)
        return false;
    pthread_mutex_lock(&mx->lock);
    mx->resumed += gnutls_session_is_resumed(s->tls) ? 1 : 0;
    pthread_mutex_unlock(&mx->lock);
    return true;
}

static void keep(struct session *s)
{
    struct mx *mx = s->mx;
    pthread_mutex_lock(&mx->lock);
    assert(mx->nmessages < MESSAGES);
    struct mx_message *m = malloc(sizeof *m);
    *m = s->now;
    m->tls = s->tls != NULL;
    mx->messages[mx->nmessages++] = m;
    s->now.data = NULL;
    pthread_mutex_unlock(&mx->lock);
}

static void grow(struct mx_message *m, const char *bytes, size_t n)
{
    if (!m->data || m->n + n + 1 > m->room) {
        m->room = 2 * (m->n + n + 1);
        m->data = realloc(m->data, m->room);
    }
    memcpy(m->data + m->n, bytes, n);
    m->n += n;
    m->data[m->n] = '\0';
}

static bool read_data(struct session *s)
{
    for (;;) {
        char *end;
        while (!(end = memmem(s->in, s->n, "\r\n", 2))) {
            if (s->n == sizeof s->room) { // a line without end: hand on all but the last byte
                grow(&s->now, s->in, s->n - 1);
                drop(s, s->n - 1);
            }
            if (!fill(s))
                return false;
        }
        size_t n = (size_t)(end - s->in) + 2;
        if (n == 3 && s->in[0] == '.') {
            drop(s, n);
            return true;
        }
        size_t skip = s->in[0] == '.';
        grow(&s->now, s->in + skip, n - skip);
        drop(s, n);
    }
}

static bool read_chunk(struct session *s, size_t left)
{
    while (left) {
        if (!s->n && !fill(s))
            return false;
        size_t n = s->n < left ? s->n : left;
        grow(&s->now, s->in, n);
        drop(s, n);
        left -= n;
    }
    return true;
}

static void clear(struct session *s)
{
    free(s->now.data);
    memset(&s->now, 0, sizeof s->now);
    s->mail = false;
}

static bool ehlo(struct session *s)
{
    char text[800] = "250-mx.test\n", list[512];
    int code;
    pthread_mutex_lock(&s->mx->lock);
    snprintf(list, sizeof list, "%s%s", s->mx->extensions,
             s->mx->cred && !s->tls ? "\nSTARTTLS" : "");
    pthread_mutex_unlock(&s->mx->lock);
    char reply[REPLY];
    if (scripted(s, "ehlo", reply)) {
        mx_next(s->mx, "again", reply);
        return answer(s, "again", "", &code);
    }
    for (char *p = strtok(list, "\n"); p; p = strtok(NULL, "\n"))
        snprintf(text + strlen(text), sizeof text - strlen(text), "250-%s\n", p);
    strcat(text, "250 HELP");
    char out[900] = "";
    for (char *p = text; *p; p++)
        snprintf(out + strlen(out), sizeof out - strlen(out), *p == '\n' ? "\r\n" : "%c", *p);
    put(s, out, strlen(out));
    put(s, "\r\n", 2);
    return true;
}

// Until what the peer sends behind a message is there, if it sends anything.
static void let_more_come(const struct session *s)
{
    struct pollfd more = {.fd = s->fd, .events = POLLIN};
    if (s->n || poll(&more, 1, WAIT_US / 1000) > 0)
        usleep(WAIT_US / 20);
}

static bool take_message(struct session *s, const char *step)
{
    int code;
    const char *usual = s->now.nrcpts ? "250 2.0.0 taken" : "554 5.5.1 nobody";
    char reply[REPLY];
    if (!scripted(s, step, reply))
        snprintf(reply, sizeof reply, "%s", usual);
    bool untold = s->mx->strike_missing && strcmp(reply, MX_SILENT) == 0 && s->now.nrcpts;
    // Kept before it is answered, so that whoever saw the answer sees the message.
    if (reply[0] == '2' || untold)
        keep(s);
    if (s->now.nrcpts || !s->mx->nests)
        clear(s);
    if (s->mx->slow)
        let_more_come(s);
    return answer(s, "none", reply, &code);
}

static bool command(struct session *s, char *text)
{
    int code;
    if (strncasecmp(text, "EHLO", 4) == 0)
        return ehlo(s);
    if (strncasecmp(text, "HELO", 4) == 0)
        return answer(s, "helo", "250 mx.test", &code);
    if (strncasecmp(text, "STARTTLS", 8) == 0)
        return answer(s, "starttls", "220 go ahead", &code) && (code != 220 || handshake(s));
    if (strncasecmp(text, "AUTH", 4) == 0)
        return answer(s, "auth", "235 2.7.0 welcome", &code);
    if (strncasecmp(text, "MAIL", 4) == 0 && s->mail && s->mx->nests)
        return answer(s, "nested", "503 5.5.1 nested MAIL", &code);
    if (strncasecmp(text, "MAIL", 4) == 0) {
        clear(s);
        snprintf(s->now.mail, sizeof s->now.mail, "%s", text);
        pthread_mutex_lock(&s->mx->lock);
        s->mx->clear_mails += !s->tls;
        pthread_mutex_unlock(&s->mx->lock);
        bool open = answer(s, "mail", "250 2.1.0 ok", &code);
        s->mail = code / 100 == 2;
        return open;
    }
    if (strncasecmp(text, "RCPT", 4) == 0) {
        bool open = answer(s, "rcpt", s->mail ? "250 2.1.5 ok" : "503 5.5.1 MAIL first", &code);
        if (s->mail && code / 100 == 2 && s->now.nrcpts < 16)
            snprintf(s->now.rcpts[s->now.nrcpts++], 512, "%s", text);
        return open;
    }
    if (strncasecmp(text, "DATA", 4) == 0) {
        if (!answer(s, "data", s->now.nrcpts ? "354 go" : "554 5.5.1 nobody", &code))
            return false;
        return code != 354 || (read_data(s) && take_message(s, "dot"));
    }
    if (strncasecmp(text, "BDAT ", 5) == 0) {
        char reply[REPLY];
        if (scripted(s, "bdat?", reply)) { // what a chunk is, it does not know
            mx_next(s->mx, "again", reply);
            return answer(s, "again", "", &code);
        }
        s->now.bdat = true;
        if (!read_chunk(s, strtoul(text + 5, NULL, 10)))
            return false;
        if (strcasestr(text, " LAST"))
            return take_message(s, "bdat");
        return answer(s, "chunk", s->now.nrcpts ? "250 2.0.0 chunk" : "503 5.5.1 RCPT first",
                      &code);
    }
    if (strncasecmp(text, "RSET", 4) == 0) {
        clear(s);
        return answer(s, "rset", "250 2.0.0 ok", &code);
    }
    if (strncasecmp(text, "QUIT", 4) == 0) {
        answer(s, "quit", "221 2.0.0 bye", &code);
        return false;
    }
    return answer(s, "other", "500 5.5.1 what?", &code);
}

static void *serve(void *arg)
{
    struct session *s = arg;
    char text[4096];
    int code;
    bool open = !s->mx->implicit || handshake(s);
    open = open && answer(s, "connect", "220 mx.test ESMTP", &code);
    while (open && line(s, text, sizeof text)) {
        tell(s, "<", text, strlen(text));
        pthread_mutex_lock(&s->mx->lock);
        size_t at = strlen(s->mx->heard);
        snprintf(s->mx->heard + at, sizeof s->mx->heard - at, "%s\n", text);
        pthread_mutex_unlock(&s->mx->lock);
        open = command(s, text);
    }
    shutdown(s->fd, SHUT_RDWR);
    return NULL;
}

static void *accepting(void *arg)
{
    struct mx *mx = arg;
    for (;;) {
        int fd = accept(mx->fd, NULL, NULL);
        pthread_mutex_lock(&mx->lock);
        bool stop = fd < 0 || mx->stopping;
        if (!stop) {
            assert(mx->nsessions < SESSIONS);
            struct session *s = calloc(1, sizeof *s);
            s->mx = mx;
            s->fd = fd;
            s->in = s->room;
            s->chaos.luck = mx->chaos ? mx->chaos * 64 + mx->nsessions + 1 : 0;
            s->chaos.percent = mx->percent;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
            mx->sessions[mx->nsessions++] = s;
            pthread_create(&s->thread, NULL, serve, s);
        }
        pthread_mutex_unlock(&mx->lock);
        if (stop)
            return NULL;
    }
}

struct mx *mx_start(const char *extensions)
{
    struct mx *mx = calloc(1, sizeof *mx);
    pthread_mutex_init(&mx->lock, NULL);
    snprintf(mx->extensions, sizeof mx->extensions, "%s", extensions);
    mx->cut = SIZE_MAX;
    mx->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof where;
    assert(bind(mx->fd, (struct sockaddr *)&where, n) == 0 && listen(mx->fd, 64) == 0);
    getsockname(mx->fd, (struct sockaddr *)&where, &n);
    mx->port = ntohs(where.sin_port);
    gnutls_session_ticket_key_generate(&mx->ticket_key);
    pthread_create(&mx->thread, NULL, accepting, mx);
    return mx;
}

void mx_chaos(struct mx *mx, uint64_t seed, unsigned percent)
{
    pthread_mutex_lock(&mx->lock);
    mx->chaos = seed;
    mx->percent = percent;
    pthread_mutex_unlock(&mx->lock);
}

unsigned mx_clear_mails(struct mx *mx)
{
    pthread_mutex_lock(&mx->lock);
    unsigned n = mx->clear_mails;
    pthread_mutex_unlock(&mx->lock);
    return n;
}

void mx_cut(struct mx *mx, size_t after)
{
    pthread_mutex_lock(&mx->lock);
    mx->cut = after;
    pthread_mutex_unlock(&mx->lock);
}

size_t mx_said(struct mx *mx)
{
    pthread_mutex_lock(&mx->lock);
    size_t said = mx->said;
    pthread_mutex_unlock(&mx->lock);
    return said;
}

void mx_hang_up(struct mx *mx)
{
    pthread_mutex_lock(&mx->lock);
    for (size_t i = 0; i < mx->nsessions; i++)
        shutdown(mx->sessions[i]->fd, SHUT_RDWR);
    pthread_mutex_unlock(&mx->lock);
}

void mx_stop(struct mx *mx)
{
    pthread_mutex_lock(&mx->lock);
    mx->stopping = true;
    pthread_mutex_unlock(&mx->lock);
    shutdown(mx->fd, SHUT_RDWR);
    pthread_join(mx->thread, NULL);
    mx_hang_up(mx);
    for (size_t i = 0; i < mx->nsessions; i++) {
        struct session *s = mx->sessions[i];
        pthread_join(s->thread, NULL);
        close(s->fd);
        if (s->tls)
            gnutls_deinit(s->tls);
        clear(s);
        free(s);
    }
    for (size_t i = 0; i < mx->nmessages; i++) {
        free(mx->messages[i]->data);
        free(mx->messages[i]);
    }
    close(mx->fd);
    mx->old[mx->nold++] = mx->cred;
    for (size_t i = 0; i < mx->nold; i++)
        if (mx->old[i])
            gnutls_certificate_free_credentials(mx->old[i]);
    gnutls_free(mx->ticket_key.data);
    free(mx);
}

void mx_tls(struct mx *mx, const struct cert *leaf, const struct cert *issuer, bool implicit)
{
    const struct cert *chain[2] = {leaf, issuer};
    mx_tls_chain(mx, chain, issuer ? 2 : 1, implicit);
}

void mx_tls_chain(struct mx *mx, const struct cert *const *chain, size_t n, bool implicit)
{
    gnutls_pcert_st list[32]; // as it is: GnuTLS sorts what it gets as certificates
    gnutls_privkey_t key;
    gnutls_certificate_credentials_t cred;
    gnutls_certificate_allocate_credentials(&cred);
    assert(n <= 32);
    for (size_t i = 0; i < n; i++)
        assert(gnutls_pcert_import_x509(&list[i], chain[i]->crt, 0) == 0);
    gnutls_privkey_init(&key);
    assert(gnutls_privkey_import_x509(key, chain[0]->key, GNUTLS_PRIVKEY_IMPORT_COPY) == 0);
    assert(gnutls_certificate_set_key(cred, NULL, 0, list, (int)n, key) >= 0);
    pthread_mutex_lock(&mx->lock);
    mx->old[mx->nold++] = mx->cred; // a session may still use it
    assert(mx->nold < 8);
    mx->cred = cred;
    mx->implicit = implicit;
    pthread_mutex_unlock(&mx->lock);
}
