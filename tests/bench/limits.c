// SPDX-License-Identifier: ISC
// What this machine can do at most, one core each: bare signatures by both libraries, TLS handshakes from memory to
// memory (both sides counted), syncs of 4 KiB records. Nothing of the relay is in here. Prints one line of JSON.
//
// usage: limits FOLDER CHAIN KEY SECONDS
#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "tests/bench/wire.h"

static double seconds;

// Of this thread's own processor time: what others take meanwhile does not count.
static double cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double rsa_libcrypto(void)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    unsigned char digest_info[51] = {0x30, 0x31}, out[256];
    long done = 0;
    if (!ctx || EVP_PKEY_sign_init(ctx) <= 0 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) <= 0)
        wire_die("libcrypto");
    double began = cpu_now(), took;
    for (; (took = cpu_now() - began) < seconds; done++) {
        size_t n = sizeof out;
        digest_info[20]++;
        if (EVP_PKEY_sign(ctx, out, &n, digest_info, sizeof digest_info) <= 0)
            wire_die("a signature");
    }
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return (double)done / took;
}

static double by_gnutls(gnutls_pk_algorithm_t kind, unsigned bits,
                        gnutls_sign_algorithm_t algorithm)
{
    gnutls_x509_privkey_t x509;
    gnutls_privkey_t key;
    unsigned char text[32] = {0};
    long done = 0;
    gnutls_x509_privkey_init(&x509);
    gnutls_privkey_init(&key);
    if (gnutls_x509_privkey_generate(x509, kind, bits, 0) < 0 ||
        gnutls_privkey_import_x509(key, x509, 0) < 0)
        wire_die("gnutls");
    double began = cpu_now(), took;
    for (; (took = cpu_now() - began) < seconds; done++) {
        gnutls_datum_t in = {text, sizeof text}, out;
        text[0]++;
        if (gnutls_privkey_sign_data2(key, algorithm, 0, &in, &out) < 0)
            wire_die("a signature");
        gnutls_free(out.data);
    }
    return (double)done / took;
}

// ---- handshakes

struct pipe {
    unsigned char bytes[65536];
    size_t n;
};
struct end {
    struct pipe *in, *out;
    gnutls_session_t tls;
};

static ssize_t pull(gnutls_transport_ptr_t arg, void *to, size_t n)
{
    struct end *e = arg;
    if (!e->in->n) {
        gnutls_transport_set_errno(e->tls, EAGAIN);
        return -1;
    }
    if (n > e->in->n)
        n = e->in->n;
    memcpy(to, e->in->bytes, n);
    e->in->n -= n;
    memmove(e->in->bytes, e->in->bytes + n, e->in->n);
    return (ssize_t)n;
}

static int pull_ready(gnutls_transport_ptr_t arg, unsigned ms)
{
    (void)ms;
    return ((struct end *)arg)->in->n > 0;
}

static ssize_t push(gnutls_transport_ptr_t arg, const void *from, size_t n)
{
    struct end *e = arg;
    if (e->out->n + n > sizeof e->out->bytes)
        wire_die("a handshake of this size");
    memcpy(e->out->bytes + e->out->n, from, n);
    e->out->n += n;
    return (ssize_t)n;
}

static void begin_end(struct end *e, unsigned side, gnutls_certificate_credentials_t credentials)
{
    gnutls_init(&e->tls, side | GNUTLS_NONBLOCK);
    gnutls_set_default_priority(e->tls);
    gnutls_credentials_set(e->tls, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_transport_set_ptr(e->tls, e);
    gnutls_transport_set_pull_function(e->tls, pull);
    gnutls_transport_set_pull_timeout_function(e->tls, pull_ready);
    gnutls_transport_set_push_function(e->tls, push);
}

static void shake(struct end *client, struct end *server)
{
    for (int c = -1, s = -1, turns = 0; c < 0 || s < 0; turns++) {
        if (c < 0)
            c = gnutls_handshake(client->tls);
        if (s < 0)
            s = gnutls_handshake(server->tls);
        if (gnutls_error_is_fatal(c) || gnutls_error_is_fatal(s) || turns > 100)
            wire_die("a handshake");
    }
}

static double handshakes(const char *chain, const char *key, bool resumed)
{
    static struct pipe there, back;
    gnutls_certificate_credentials_t ours, theirs;
    gnutls_datum_t tickets, session = {NULL, 0};
    long done = 0;
    gnutls_certificate_allocate_credentials(&ours);
    gnutls_certificate_allocate_credentials(&theirs);
    if (gnutls_certificate_set_x509_key_file(theirs, chain, key, GNUTLS_X509_FMT_PEM) < 0)
        wire_die(chain);
    gnutls_session_ticket_key_generate(&tickets);
    double began = cpu_now(), took;
    for (; (took = cpu_now() - began) < seconds; done++) {
        struct end client = {&back, &there, NULL}, server = {&there, &back, NULL};
        there.n = back.n = 0;
        begin_end(&client, GNUTLS_CLIENT, ours);
        begin_end(&server, GNUTLS_SERVER, theirs);
        gnutls_session_ticket_enable_server(server.tls, &tickets);
        if (session.size)
            gnutls_session_set_data(client.tls, session.data, session.size);
        shake(&client, &server);
        if (resumed && !session.size) {
            char none;
            gnutls_record_recv(client.tls, &none, 1); // the ticket comes behind the handshake
            gnutls_session_get_data2(client.tls, &session);
        } else if (resumed && !gnutls_session_is_resumed(client.tls)) {
            wire_die("resumption");
        }
        gnutls_deinit(client.tls);
        gnutls_deinit(server.tls);
    }
    return (double)done / took;
}

static double syncs(const char *folder)
{
    char path[4096], record[4096] = {1};
    snprintf(path, sizeof path, "%s/syncs", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || posix_fallocate(fd, 0, 64 << 20) != 0)
        wire_die(path);
    double began = wire_now(), took;
    long done = 0;
    for (; (took = wire_now() - began) < seconds; done++)
        if (pwrite(fd, record, sizeof record, done % 16384 * 4096) < 0 || fdatasync(fd) < 0)
            wire_die(path);
    close(fd);
    unlink(path);
    return (double)done / took;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: limits FOLDER CHAIN KEY SECONDS\n");
        return 64;
    }
    seconds = atof(argv[4]);
    printf("{\"rsa\": %.0f,", rsa_libcrypto());
    printf(" \"rsa_gnutls\": %.0f,", by_gnutls(GNUTLS_PK_RSA, 2048, GNUTLS_SIGN_RSA_SHA256));
    printf(" \"ed25519\": %.0f,",
           by_gnutls(GNUTLS_PK_EDDSA_ED25519, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519),
                     GNUTLS_SIGN_EDDSA_ED25519));
    printf(" \"handshakes\": %.0f,", handshakes(argv[2], argv[3], false));
    printf(" \"resumed\": %.0f,", handshakes(argv[2], argv[3], true));
    printf(" \"syncs\": %.0f}\n", syncs(argv[1]));
    return 0;
}
