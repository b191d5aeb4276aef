// SPDX-License-Identifier: ISC
// The relay's own certificates: reads and checks them, and keeps them in the order in which each name is
// to be served. Never talks; sessions are tls/session.c's.
#include "tls/creds.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/buf.h"
#include "relay/base/clock.h"
#include "relay/base/maxima.h"
#include "relay/base/mem.h"
#include "tls/creds_internal.h"
#include "tls/priority_internal.h"
#include "tls/verify.h"

#define FILE_MAX_BYTES 1048576 // of a chain or key file

struct origin {
    char *path;
    struct stat st;
};

struct pair {
    struct origin chain, key;
    struct buf chain_pem, key_pem; // while loading
    struct span leaf;              // DER, ours
    int64_t begins, expires;
    gnutls_certificate_credentials_t
        held; // not NULL while loading: of an older pair, instead of PEM
    // This pair first, then the others: GnuTLS takes the first whose key the client understands.
    gnutls_certificate_credentials_t gnutls;
};

struct creds {
    atomic_uint refs;
    struct priority *priority;
    gnutls_datum_t ticket_key;
    bool tickets;
    struct pair *pairs;
    size_t npairs;
};

static int creds_fault(struct why *why, const char *path, const char *what)
{
    return why_set(why, WHY_OURS, "4.3.5", "%s: %s", path, what);
}

static int creds_read_file(struct origin *from, const char *path, struct buf *out, struct why *why)
{
    from->path = mem_dup(path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return creds_fault(why, path, strerror(errno));
    int rc = fstat(fd, &from->st);
    ssize_t got = rc < 0 ? -1 : 1;
    while (got > 0) {
        unsigned char block[4096];
        got = read(fd, block, sizeof block);
        if (got > 0 && buf_add(out, block, (size_t)got) < 0) {
            close(fd);
            return creds_fault(why, path, "larger than a certificate or key file can be");
        }
    }
    int error = errno;
    close(fd);
    return got < 0 ? creds_fault(why, path, strerror(error)) : 0;
}

static gnutls_datum_t datum(const struct buf *b)
{
    return (gnutls_datum_t){b->data, (unsigned)b->len};
}

static int read_leaf(struct pair *pair, const char *path, struct why *why)
{
    gnutls_x509_crt_t list[MAX_CHAIN];
    unsigned n = MAX_CHAIN;
    gnutls_datum_t pem = datum(&pair->chain_pem), der = {NULL, 0};
    int rc = gnutls_x509_crt_list_import(list, &n, &pem, GNUTLS_X509_FMT_PEM,
                                         GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
    if (rc <= 0)
        return why_set(why, WHY_OURS, "4.3.5", "%s holds no certificate that can be read: %s", path,
                       rc < 0 ? gnutls_strerror(rc) : "it is empty");
    n = (unsigned)rc;
    pair->expires = gnutls_x509_crt_get_expiration_time(list[0]);
    pair->begins = gnutls_x509_crt_get_activation_time(list[0]);
    if (gnutls_x509_crt_export2(list[0], GNUTLS_X509_FMT_DER, &der) == 0)
        pair->leaf = span_of(der.data, der.size);
    for (unsigned i = 0; i < n; i++)
        gnutls_x509_crt_deinit(list[i]);
    return 0;
}

static int load_pair(struct pair *pair, const struct cfg_certificate *files, struct why *why)
{
    buf_init(&pair->chain_pem, FILE_MAX_BYTES);
    buf_init(&pair->key_pem, FILE_MAX_BYTES);
    if (creds_read_file(&pair->chain, files->chain, &pair->chain_pem, why) < 0 ||
        creds_read_file(&pair->key, files->key, &pair->key_pem, why) < 0)
        return -1;
    return read_leaf(pair, files->chain, why);
}

// A parser's words say nothing to who mixed two files up, or kept a password on one.
static int key_fault(struct why *why, const char *path, int rc)
{
    if (rc == GNUTLS_E_DECRYPTION_FAILED)
        return creds_fault(why, path, "the key is encrypted: a relay has no password for it");
    return why_set(why, WHY_OURS, "4.3.5", "%s holds no private key that can be read: %s", path,
                   gnutls_strerror(rc));
}

// From an older pair's own credentials, where it stands first.
static int add_held(struct pair *to, struct pair *from, struct why *why)
{
    gnutls_x509_privkey_t key = NULL;
    gnutls_x509_crt_t *list = NULL;
    unsigned n = 0;
    int rc = gnutls_certificate_get_x509_key(from->held, 0, &key);
    if (rc == 0)
        rc = gnutls_certificate_get_x509_crt(from->held, 0, &list, &n);
    if (rc == 0)
        rc = gnutls_certificate_set_x509_key(to->gnutls, list, (int)n, key);
    for (unsigned i = 0; i < n; i++)
        gnutls_x509_crt_deinit(list[i]);
    gnutls_free(list);
    gnutls_x509_privkey_deinit(key);
    return rc < 0 ? creds_fault(why, from->key.path, gnutls_strerror(rc)) : 0;
}

static int add_key(struct pair *to, struct pair *from, struct why *why)
{
    if (from->held)
        return add_held(to, from, why);
    gnutls_datum_t chain = datum(&from->chain_pem), key = datum(&from->key_pem);
    int rc = gnutls_certificate_set_x509_key_mem2(to->gnutls, &chain, &key, GNUTLS_X509_FMT_PEM,
                                                  NULL, 0);
    if (rc == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return why_set(why, WHY_OURS, "4.3.5",
                       "%s: the key does not belong to the certificate in %s", from->key.path,
                       from->chain.path);
    return rc < 0 ? key_fault(why, from->key.path, rc) : 0;
}

static int order_keys(struct creds *creds, struct pair *first, struct why *why)
{
    gnutls_certificate_allocate_credentials(&first->gnutls);
    int rc = add_key(first, first, why);
    for (size_t i = 0; i < creds->npairs && rc == 0; i++)
        if (&creds->pairs[i] != first)
            rc = add_key(first, &creds->pairs[i], why);
    return rc;
}

static void forget_pem(struct pair *pair)
{
    if (pair->key_pem.data)
        explicit_bzero(pair->key_pem.data, pair->key_pem.len);
    buf_free(&pair->key_pem);
    buf_free(&pair->chain_pem);
}

// Without a fitting name the first pair serves.
gnutls_certificate_credentials_t creds_for_name(const struct creds *creds, const char *sni)
{
    for (size_t i = 0; i < creds->npairs && *sni; i++)
        if (verify_name(creds->pairs[i].leaf, &sni, 1))
            return creds->pairs[i].gnutls;
    return creds->pairs[0].gnutls;
}

static void free_pair(struct pair *pair)
{
    if (pair->gnutls)
        gnutls_certificate_free_credentials(pair->gnutls);
    gnutls_free((void *)pair->leaf.p);
    free(pair->chain.path);
    free(pair->key.path);
}

static bool differs(const struct origin *from)
{
    struct stat st;
    if (stat(from->path, &st) < 0)
        return true;
    return st.st_ino != from->st.st_ino || st.st_dev != from->st.st_dev ||
           st.st_size != from->st.st_size || st.st_mtim.tv_sec != from->st.st_mtim.tv_sec ||
           st.st_mtim.tv_nsec != from->st.st_mtim.tv_nsec;
}

static struct creds *creds_new(const struct cfg_certificate *certificates, size_t n)
{
    struct creds *creds = mem_new(sizeof *creds);
    atomic_init(&creds->refs, 1);
    creds->pairs = mem_new(n * sizeof *creds->pairs);
    creds->tickets = certificates[0].tickets;
    if (creds->tickets && gnutls_session_ticket_key_generate(&creds->ticket_key) < 0)
        creds->tickets = false;
    return creds;
}

static int set_priority(struct creds *creds, const struct cfg_certificate *first, struct why *why)
{
    creds->priority = priority_new(first->tls_min, first->tls_priority, why);
    return creds->priority ? 0 : -1;
}

// With all pairs loaded. Takes creds over: NULL with why frees it.
static struct creds *creds_finish(struct creds *creds, int rc, struct why *why)
{
    for (size_t i = 0; i < creds->npairs && rc == 0; i++)
        rc = order_keys(creds, &creds->pairs[i], why);
    for (size_t i = 0; i < creds->npairs; i++) {
        forget_pem(&creds->pairs[i]);
        creds->pairs[i].held = NULL;
    }
    if (rc == 0)
        return creds;
    creds_unref(creds);
    return NULL;
}

struct creds *creds_load(const struct cfg_certificate *certificates, size_t n, struct why *why)
{
    if (n == 0) {
        why_set(why, WHY_OURS, "4.3.5", "no certificate is configured");
        return NULL;
    }
    struct creds *creds = creds_new(certificates, n);
    int rc = set_priority(creds, &certificates[0], why);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = load_pair(&creds->pairs[creds->npairs++], &certificates[i], why);
    return creds_finish(creds, rc, why);
}

// Reads a pair and tries whether its halves belong together.
static int try_pair(struct pair *pair, const struct cfg_certificate *files, struct why *why)
{
    if (load_pair(pair, files, why) < 0)
        return -1;
    gnutls_certificate_allocate_credentials(&pair->gnutls);
    int rc = add_key(pair, pair, why);
    gnutls_certificate_free_credentials(pair->gnutls);
    pair->gnutls = NULL;
    return rc;
}

// With the marks of when it was read, so that it is looked at again.
static void hold_pair(struct pair *pair, const struct pair *old)
{
    *pair = (struct pair){.chain = {mem_dup(old->chain.path), old->chain.st},
                          .key = {mem_dup(old->key.path), old->key.st},
                          .begins = old->begins,
                          .expires = old->expires,
                          .held = old->gnutls};
    unsigned char *der = gnutls_malloc(old->leaf.n);
    if (der) {
        memcpy(der, old->leaf.p, old->leaf.n);
        pair->leaf = span_of(der, old->leaf.n);
    }
}

struct creds *creds_renew(const struct creds *old, const struct cfg_certificate *certificates,
                          void (*complain)(void *arg, const struct why *why), void *arg, bool *news,
                          struct why *why)
{
    struct creds *creds = creds_new(certificates, old->npairs);
    int rc = set_priority(creds, &certificates[0], why);
    *news = false;
    for (size_t i = 0; i < old->npairs && rc == 0; i++) {
        struct pair *pair = &creds->pairs[creds->npairs++];
        const struct pair *was = &old->pairs[i];
        struct why fault;
        bool changed = differs(&was->chain) || differs(&was->key);
        if (changed && try_pair(pair, &certificates[i], &fault) == 0) {
            *news = true;
            continue;
        }
        if (changed)
            complain(arg, &fault);
        forget_pem(pair);
        free_pair(pair);
        hold_pair(pair, was);
    }
    return creds_finish(creds, rc, why);
}

struct creds *creds_ref(struct creds *creds)
{
    atomic_fetch_add(&creds->refs, 1);
    return creds;
}

void creds_unref(struct creds *creds)
{
    if (!creds || atomic_fetch_sub(&creds->refs, 1) != 1)
        return;
    for (size_t i = 0; i < creds->npairs; i++)
        free_pair(&creds->pairs[i]);
    free(creds->pairs);
    priority_unref(creds->priority);
    gnutls_memset(creds->ticket_key.data, 0, creds->ticket_key.size);
    gnutls_free(creds->ticket_key.data);
    free(creds);
}

bool creds_changed(const struct creds *creds)
{
    for (size_t i = 0; i < creds->npairs; i++)
        if (differs(&creds->pairs[i].chain) || differs(&creds->pairs[i].key))
            return true;
    return false;
}

bool creds_doubtful(const struct creds *creds, struct why *why)
{
    int64_t now = clock_s();
    for (size_t i = 0; i < creds->npairs; i++) {
        const struct pair *pair = &creds->pairs[i];
        if (now > pair->expires)
            creds_fault(why, pair->chain.path, "the certificate has expired");
        else if (now < pair->begins)
            creds_fault(why, pair->chain.path, "the certificate is not valid yet");
        else
            continue;
        return true;
    }
    return false;
}

bool creds_have(const struct creds *creds, const char *name)
{
    for (size_t i = 0; i < creds->npairs; i++)
        if (verify_name(creds->pairs[i].leaf, &name, 1))
            return true;
    return false;
}

int64_t creds_expires(const struct creds *creds)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < creds->npairs; i++)
        if (creds->pairs[i].expires < first)
            first = creds->pairs[i].expires;
    return first;
}

gnutls_priority_t creds_priority(const struct creds *creds)
{
    return priority_for(creds->priority, false);
}

const gnutls_datum_t *creds_ticket_key(const struct creds *creds)
{
    return creds->tickets ? &creds->ticket_key : NULL;
}

int creds_chain_ends(const char *file, int64_t *ends, struct why *why)
{
    struct pair pair = {0};
    buf_init(&pair.chain_pem, FILE_MAX_BYTES);
    int rc = creds_read_file(&pair.chain, file, &pair.chain_pem, why);
    if (rc == 0)
        rc = read_leaf(&pair, file, why);
    *ends = pair.expires;
    buf_free(&pair.chain_pem);
    free_pair(&pair);
    return rc;
}
