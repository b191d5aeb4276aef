// SPDX-License-Identifier: ISC
// One TLS session over memory. GnuTLS pulls ciphertext from the bytes of the present step and pushes into
// the caller's buffer; an empty buffer is EAGAIN, so no call ever waits. Never touches a socket and never
// judges a certificate, but ends a handshake whose keys would cost a hostile amount of arithmetic.
#include "tls/session.h"

#include <assert.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "tls/arithmetic.h"
#include "tls/creds_internal.h"
#include "tls/priority_internal.h"

#define RECORD 16384 // bytes of clear text in one record, RFC 8446 section 5.1

struct tls_session {
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials; // client side; the server's are its creds'
    struct creds *creds;                          // server side
    struct creds *identity;                       // client side; NULL: shows no certificate
    enum tls_session_care care;
    enum tls_session_state state;
    const char *refusal;       // why our own hook ended the handshake
    struct buf kept;           // ciphertext that came when no clear text was wanted
    const unsigned char *from; // what GnuTLS may pull in this step
    size_t from_n;
    struct buf *to; // where GnuTLS pushes in this step
    struct tls_session_info info;
    struct span chain[MAX_CHAIN];
    char sni[MAX_DOMAIN + 1];
    bool keep_tickets;
    struct buf tickets[TLS_SESSION_TICKETS]; // those not asked for yet
    unsigned ntickets, taken;
};

static ssize_t tls_session_pull(gnutls_transport_ptr_t arg, void *out, size_t n)
{
    struct tls_session *ch = arg;
    if (ch->from_n == 0) {
        gnutls_transport_set_errno(ch->session, EAGAIN);
        return -1;
    }
    if (n > ch->from_n)
        n = ch->from_n;
    memcpy(out, ch->from, n);
    ch->from += n;
    ch->from_n -= n;
    return (ssize_t)n;
}

static int tls_session_pull_ready(gnutls_transport_ptr_t arg, unsigned ms)
{
    (void)ms;
    return ((struct tls_session *)arg)->from_n > 0;
}

static ssize_t tls_session_push(gnutls_transport_ptr_t arg, const giovec_t *parts, int n)
{
    struct tls_session *ch = arg;
    ssize_t total = 0;
    for (int i = 0; i < n; i++) {
        if (!ch->to || buf_add(ch->to, parts[i].iov_base, parts[i].iov_len) < 0) {
            gnutls_transport_set_errno(ch->session, ENOBUFS);
            return -1;
        }
        total += (ssize_t)parts[i].iov_len;
    }
    return total;
}

// The one that came last, which GnuTLS forgets at the next.
static void take_ticket(struct tls_session *ch)
{
    gnutls_datum_t data = {NULL, 0};
    if (!ch->keep_tickets || ch->ntickets == TLS_SESSION_TICKETS ||
        gnutls_session_get_data2(ch->session, &data) < 0)
        return;
    struct buf *out = &ch->tickets[ch->ntickets];
    buf_init(out, TLS_SESSION_BUFFER);
    if (data.size && buf_add(out, data.data, data.size) == 0)
        ch->ntickets++;
    else
        buf_free(out);
    gnutls_free(data.data);
}

static bool is_tls13(const struct tls_session *ch)
{
    return gnutls_protocol_get_version(ch->session) == GNUTLS_TLS1_3;
}

static int tls_session_on_handshake(gnutls_session_t session, unsigned type, unsigned when,
                                    unsigned incoming, const gnutls_datum_t *message)
{
    struct tls_session *ch = gnutls_session_get_ptr(session);
    if (when == GNUTLS_HOOK_POST) {
        if (incoming && type == GNUTLS_HANDSHAKE_NEW_SESSION_TICKET && is_tls13(ch))
            take_ticket(ch);
        return 0;
    }
    if (incoming)
        ch->refusal = arithmetic_refuses(session, type, message, ch->care != TLS_SESSION_PROOF);
    if (ch->refusal && ch->creds)
        ch->refusal = "the client's certificate is not one, or its key is larger than 8192 bits";
    return ch->refusal ? GNUTLS_E_CERTIFICATE_ERROR : 0;
}

static struct tls_session *tls_session_new(unsigned flags)
{
    struct tls_session *ch = mem_new(sizeof *ch);
    if (gnutls_init(&ch->session, flags | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0) {
        fputs("waxwing: GnuTLS has no memory for a session\n", stderr);
        abort();
    }
    buf_init(&ch->kept, TLS_SESSION_BUFFER);
    gnutls_transport_set_ptr(ch->session, ch);
    gnutls_transport_set_pull_function(ch->session, tls_session_pull);
    gnutls_transport_set_pull_timeout_function(ch->session, tls_session_pull_ready);
    gnutls_transport_set_vec_push_function(ch->session, tls_session_push);
    gnutls_handshake_set_timeout(ch->session, 0); // deadlines are the stream's
    gnutls_handshake_set_max_packet_length(ch->session, MAX_HANDSHAKE);
    ch->info.chain = ch->chain;
    ch->info.sni = ch->sni;
    return ch;
}

static void read_sni(struct tls_session *ch)
{
    size_t n = sizeof ch->sni;
    unsigned type;
    if (gnutls_server_name_get(ch->session, ch->sni, &n, &type, 0) < 0 || type != GNUTLS_NAME_DNS)
        ch->sni[0] = 0;
}

static int tls_session_client_spoke(gnutls_session_t session)
{
    struct tls_session *ch = gnutls_session_get_ptr(session);
    read_sni(ch);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, creds_for_name(ch->creds, ch->sni));
    return 0;
}

static struct tls_session *new_server(struct creds *creds, bool asking)
{
    const gnutls_datum_t *ticket_key = asking ? NULL : creds_ticket_key(creds);
    struct tls_session *ch = tls_session_new(GNUTLS_SERVER | (ticket_key ? 0 : GNUTLS_NO_TICKETS));
    ch->creds = creds_ref(creds);
    gnutls_session_set_ptr(ch->session, ch);
    gnutls_priority_set(ch->session, creds_priority(creds));
    gnutls_credentials_set(ch->session, GNUTLS_CRD_CERTIFICATE, creds_for_name(creds, ""));
    gnutls_handshake_set_post_client_hello_function(ch->session, tls_session_client_spoke);
    gnutls_certificate_server_set_request(ch->session,
                                          asking ? GNUTLS_CERT_REQUEST : GNUTLS_CERT_IGNORE);
    if (asking)
        gnutls_handshake_set_hook_function(ch->session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_PRE,
                                           tls_session_on_handshake);
    if (ticket_key)
        gnutls_session_ticket_enable_server(ch->session, ticket_key);
    return ch;
}

struct tls_session *tls_session_server(struct creds *creds)
{
    return new_server(creds, false);
}

struct tls_session *tls_session_server_asking(struct creds *creds)
{
    return new_server(creds, true);
}

struct tls_session *tls_session_client(const struct tls_session_client *how, struct why *why)
{
    bool lax = how->care == TLS_SESSION_LAX;
    struct priority *priority =
        how->parsed ? priority_ref(how->parsed) : priority_new(how->tls_min, how->priority, why);
    if (!priority)
        return NULL;
    // A certificate that was named for this host is shown whichever authorities it says it asks for.
    // A key of the first group alone, as most clients do: a server that does not know it asks for another.
    unsigned flags = (lax ? GNUTLS_NO_EXTENSIONS : GNUTLS_KEY_SHARE_TOP) |
                     (how->identity ? GNUTLS_FORCE_CLIENT_CERT : 0);
    struct tls_session *ch = tls_session_new(GNUTLS_CLIENT | flags);
    ch->care = how->care;
    ch->keep_tickets = how->keep_tickets;
    gnutls_session_set_ptr(ch->session, ch);
    gnutls_priority_set(ch->session, priority_for(priority, lax)); // counted by GnuTLS
    priority_unref(priority);
    if (how->identity)
        ch->identity = creds_ref(how->identity);
    else
        gnutls_certificate_allocate_credentials(&ch->credentials);
    gnutls_credentials_set(ch->session, GNUTLS_CRD_CERTIFICATE,
                           how->identity ? creds_for_name(how->identity, "") : ch->credentials);
    gnutls_handshake_set_hook_function(ch->session, GNUTLS_HANDSHAKE_ANY,
                                       how->keep_tickets ? GNUTLS_HOOK_BOTH : GNUTLS_HOOK_PRE,
                                       tls_session_on_handshake);
    if (how->sni && *how->sni && !lax)
        gnutls_server_name_set(ch->session, GNUTLS_NAME_DNS, how->sni, strlen(how->sni));
    if (how->ticket) // one that GnuTLS does not like means a full handshake, no more
        gnutls_session_set_data(ch->session, how->ticket, how->ticket_bytes);
    return ch;
}

void tls_session_free(struct tls_session *ch)
{
    if (!ch)
        return;
    gnutls_deinit(ch->session);
    if (ch->credentials)
        gnutls_certificate_free_credentials(ch->credentials);
    creds_unref(ch->creds);
    creds_unref(ch->identity);
    while (ch->taken < ch->ntickets)
        buf_free(&ch->tickets[ch->taken++]);
    buf_free(&ch->kept);
    free(ch);
}

static const char *protocol_word(gnutls_protocol_t version)
{
    switch (version) {
    case GNUTLS_TLS1_3:
        return "TLSv1.3";
    case GNUTLS_TLS1_2:
        return "TLSv1.2";
    case GNUTLS_TLS1_1:
        return "TLSv1.1";
    case GNUTLS_TLS1_0:
        return "TLSv1";
    default:
        return "unknown";
    }
}

// A ticket of TLS 1.2 brings the keys of the session before, whose group GnuTLS still names.
static const char *group_word(gnutls_session_t session)
{
    gnutls_kx_algorithm_t kx = gnutls_kx_get(session);
    const char *name = gnutls_group_get_name(gnutls_group_get(session));
    if (name)
        return name;
    return kx == GNUTLS_KX_DHE_RSA || kx == GNUTLS_KX_DHE_DSS || kx == GNUTLS_KX_ANON_DH ? "DH"
                                                                                         : "";
}

// The data of a resumed session bring the certificates of the first one, which prove nothing here.
static void read_chain(struct tls_session *ch)
{
    struct tls_session_info *info = &ch->info;
    unsigned n = 0;
    const gnutls_datum_t *list = gnutls_certificate_get_peers(ch->session, &n);
    if (n >
        MAX_CHAIN) { // the first ones are those that lead from the leaf (RFC 8446 section 4.4.2)
        info->ncut = list ? n - MAX_CHAIN : 0;
        n = MAX_CHAIN;
    }
    for (unsigned i = 0; list && i < n; i++)
        ch->chain[i] = span_of(list[i].data, list[i].size);
    *(info->resumed ? &info->nearlier : &info->nchain) = list ? n : 0;
}

static void opened(struct tls_session *ch)
{
    struct tls_session_info *info = &ch->info;
    const char *cipher = gnutls_ciphersuite_get(ch->session);
    info->protocol = protocol_word(gnutls_protocol_get_version(ch->session));
    info->cipher = cipher ? cipher : "unknown";
    info->group = group_word(ch->session);
    info->resumed = gnutls_session_is_resumed(ch->session) != 0;
    if (ch->creds)
        read_sni(ch); // a resumed session brings its own
    read_chain(ch);
    ch->state = TLS_SESSION_OPEN;
}

static enum tls_session_state tls_session_failed(struct tls_session *ch, int code, const char *when,
                                                 struct why *why)
{
    ch->state = TLS_SESSION_FAILED;
    gnutls_alert_send_appropriate(ch->session, code);
    if (ch->refusal)
        why_say(why, TLS_REFUSED, ch->refusal);
    else if (code == GNUTLS_E_FATAL_ALERT_RECEIVED)
        why_say(why, TLS_ALERT, when, gnutls_alert_get_name(gnutls_alert_get(ch->session)));
    else
        why_say(why, TLS_FAILED, when,
                code == GNUTLS_E_REHANDSHAKE ? "the peer asked for renegotiation"
                                             : gnutls_strerror(code));
    return ch->state;
}

// True when a call that ended in `code` is worth repeating now: each repetition eats input.
static bool tls_session_again(struct tls_session *ch, int code, size_t before)
{
    return !gnutls_error_is_fatal(code) && code != GNUTLS_E_REHANDSHAKE && ch->from_n > 0 &&
           ch->from_n < before;
}

static void shake(struct tls_session *ch, struct why *why)
{
    int rc;
    size_t before;
    do {
        before = ch->from_n;
        rc = gnutls_handshake(ch->session);
    } while (rc < 0 && tls_session_again(ch, rc, before));
    if (rc == 0)
        opened(ch);
    else if (gnutls_error_is_fatal(rc) || rc == GNUTLS_E_REHANDSHAKE)
        tls_session_failed(ch, rc, "TLS handshake", why);
}

static void receive(struct tls_session *ch, struct buf *plain, struct why *why)
{
    while (ch->state == TLS_SESSION_OPEN) {
        size_t before = ch->from_n;
        gnutls_packet_t packet = NULL;
        ssize_t n = gnutls_record_recv_packet(ch->session, &packet);
        if (n > 0) {
            gnutls_datum_t data;
            gnutls_packet_get(packet, &data, NULL);
            int rc = buf_add(plain, data.data, data.size);
            gnutls_packet_deinit(packet);
            if (rc < 0)
                tls_session_failed(ch, GNUTLS_E_LARGE_PACKET, "TLS", why);
            continue;
        }
        if (packet)
            gnutls_packet_deinit(packet);
        if (n == 0)
            ch->state = TLS_SESSION_CLOSED;
        else if (gnutls_error_is_fatal((int)n) || n == GNUTLS_E_REHANDSHAKE)
            tls_session_failed(ch, (int)n, "TLS", why);
        else if (!tls_session_again(ch, (int)n, before))
            return;
    }
}

enum tls_session_state tls_session_step(struct tls_session *ch, struct buf *in, struct buf *plain,
                                        struct buf *out, struct why *why)
{
    struct buf *source = in;
    if (ch->kept.len) { // rare: keeps the order of what came earlier and now
        if (buf_add(&ch->kept, in->data, in->len) < 0)
            return tls_session_failed(ch, GNUTLS_E_LARGE_PACKET, "TLS", why);
        in->len = 0;
        source = &ch->kept;
    }
    ch->from = source->data;
    ch->from_n = source->len;
    ch->to = out;
    if (ch->state == TLS_SESSION_HANDSHAKE)
        shake(ch, why);
    if (ch->state == TLS_SESSION_OPEN && plain)
        receive(ch, plain, why);
    size_t left = ch->state == TLS_SESSION_OPEN && !plain ? ch->from_n : 0;
    if (source == in) {
        if (left && buf_add(&ch->kept, ch->from, left) < 0)
            tls_session_failed(ch, GNUTLS_E_LARGE_PACKET, "TLS", why);
        in->len = 0;
    } else {
        buf_drop(source, source->len - left);
    }
    ch->from_n = 0;
    ch->to = NULL;
    return ch->state;
}

int tls_session_send(struct tls_session *ch, const void *bytes, size_t n, struct buf *out,
                     struct why *why)
{
    assert(ch->state == TLS_SESSION_OPEN || ch->state == TLS_SESSION_CLOSED);
    const unsigned char *at = bytes;
    ch->to = out;
    while (n) {
        ssize_t sent = gnutls_record_send(ch->session, at, n > RECORD ? RECORD : n);
        if (sent < 0) {
            tls_session_failed(ch, (int)sent, "TLS", why);
            ch->to = NULL;
            return -1;
        }
        at += sent;
        n -= (size_t)sent;
    }
    ch->to = NULL;
    return 0;
}

void tls_session_bye(struct tls_session *ch, struct buf *out)
{
    if (ch->state != TLS_SESSION_OPEN && ch->state != TLS_SESSION_CLOSED)
        return;
    ch->to = out;
    gnutls_bye(ch->session, GNUTLS_SHUT_WR);
    ch->to = NULL;
}

const struct tls_session_info *tls_session_info(struct tls_session *ch)
{
    return &ch->info;
}

bool tls_session_binding(struct tls_session *ch, unsigned char out[static TLS_BINDING])
{
    gnutls_datum_t binding = {NULL, 0};
    if ((ch->state != TLS_SESSION_OPEN && ch->state != TLS_SESSION_CLOSED) || !is_tls13(ch) ||
        gnutls_session_channel_binding(ch->session, GNUTLS_CB_TLS_EXPORTER, &binding) < 0)
        return false;
    bool whole = binding.size == TLS_BINDING;
    if (whole)
        memcpy(out, binding.data, TLS_BINDING);
    gnutls_free(binding.data);
    return whole;
}

bool tls_session_ticket(struct tls_session *ch, struct buf *out, bool *again)
{
    bool open = ch->state == TLS_SESSION_OPEN || ch->state == TLS_SESSION_CLOSED;
    *again = !is_tls13(ch);
    if (*again && open && !ch->ntickets) // one, which the handshake brought, or the session's id
        take_ticket(ch);
    if (ch->taken == ch->ntickets)
        return false;
    *out = ch->tickets[ch->taken++];
    return true;
}
