// SPDX-License-Identifier: ISC
// The relay's own certificates: reads and checks them, and picks one for each client by SNI and by the
// key types that it understands. Never talks; sessions are tls/channel.c's.
#include "tls/creds.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/buf.h"
#include "relay/base/clock.h"
#include "relay/base/maxima.h"
#include "relay/base/memory.h"
#include "tls/creds_internal.h"
#include "tls/verify.h"

#define FILE_MAX_BYTES 1048576 // of a chain or key file

struct origin {
    char *path;
    struct stat st;
};

struct pair {
    struct origin chain, key;
    gnutls_pcert_st certificates[MAX_CHAIN];
    unsigned count;
    gnutls_privkey_t private_key;
    gnutls_pk_algorithm_t algorithm;
    int64_t expires;
};

struct creds {
    atomic_uint refs;
    gnutls_certificate_credentials_t gnutls;
    gnutls_priority_t priority;
    gnutls_datum_t ticket_key;
    bool tickets;
    struct pair *pairs;
    size_t npairs;
};

static int fault(struct why *why, const char *path, const char *what)
{
    return why_set(why, WHY_OURS, "4.3.5", "%s: %s", path, what);
}

static int read_file(struct origin *from, const char *path, struct buf *out, struct why *why)
{
    from->path = mem_dup(path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fault(why, path, strerror(errno));
    int rc = fstat(fd, &from->st);
    ssize_t got = rc < 0 ? -1 : 1;
    while (got > 0) {
        unsigned char block[4096];
        got = read(fd, block, sizeof block);
        if (got > 0 && buf_add(out, block, (size_t)got) < 0) {
            close(fd);
            return fault(why, path, "larger than a certificate or key file can be");
        }
    }
    int error = errno;
    close(fd);
    return got < 0 ? fault(why, path, strerror(error)) : 0;
}

static gnutls_datum_t datum(const struct buf *b)
{
    return (gnutls_datum_t){b->data, (unsigned)b->len};
}

static int load_chain(struct pair *pair, const char *path, struct why *why)
{
    struct buf pem;
    buf_init(&pem, FILE_MAX_BYTES);
    gnutls_x509_crt_t list[MAX_CHAIN];
    unsigned n = MAX_CHAIN;
    int rc = read_file(&pair->chain, path, &pem, why);
    if (rc < 0)
        goto out;
    gnutls_datum_t data = datum(&pem);
    rc = gnutls_x509_crt_list_import(list, &n, &data, GNUTLS_X509_FMT_PEM,
                                     GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
    if (rc <= 0) {
        rc = fault(why, path, rc < 0 ? gnutls_strerror(rc) : "holds no certificate");
        goto out;
    }
    n = (unsigned)rc;
    pair->algorithm = (gnutls_pk_algorithm_t)gnutls_x509_crt_get_pk_algorithm(list[0], NULL);
    pair->expires = gnutls_x509_crt_get_expiration_time(list[0]);
    int64_t begins = gnutls_x509_crt_get_activation_time(list[0]), now = clock_s();
    rc = now > pair->expires ? fault(why, path, "the certificate has expired")
         : now < begins      ? fault(why, path, "the certificate is not valid yet")
                             : 0;
    for (unsigned i = 0; i < n; i++) {
        if (rc == 0 && gnutls_pcert_import_x509(&pair->certificates[i], list[i], 0) == 0)
            pair->count++;
        gnutls_x509_crt_deinit(list[i]);
    }
    if (rc == 0 && pair->count < n)
        rc = fault(why, path, "a certificate cannot be used");
out:
    buf_free(&pem);
    return rc;
}

static int load_key(struct pair *pair, const char *path, struct why *why)
{
    struct buf pem;
    buf_init(&pem, FILE_MAX_BYTES);
    int rc = read_file(&pair->key, path, &pem, why);
    if (rc == 0) {
        gnutls_datum_t data = datum(&pem);
        gnutls_privkey_init(&pair->private_key);
        rc = gnutls_privkey_import_x509_raw(pair->private_key, &data, GNUTLS_X509_FMT_PEM, NULL, 0);
        if (rc < 0)
            rc = fault(why, path, gnutls_strerror(rc));
    }
    if (pem.data)
        explicit_bzero(pem.data, pem.len);
    buf_free(&pem);
    return rc;
}

// The public half of the key must be the one in the leaf.
static int check_pair(struct pair *pair, struct why *why)
{
    unsigned char a[64], b[64];
    size_t na = sizeof a, nb = sizeof b;
    gnutls_pubkey_t public_key;
    gnutls_pubkey_init(&public_key);
    bool same = gnutls_pubkey_import_privkey(public_key, pair->private_key, 0, 0) == 0 &&
                gnutls_pubkey_get_key_id(public_key, GNUTLS_KEYID_USE_SHA256, a, &na) == 0 &&
                gnutls_pubkey_get_key_id(pair->certificates[0].pubkey, GNUTLS_KEYID_USE_SHA256, b,
                                         &nb) == 0 &&
                na == nb && memcmp(a, b, na) == 0;
    gnutls_pubkey_deinit(public_key);
    if (same)
        return 0;
    return why_set(why, WHY_OURS, "4.3.5", "%s: the key does not belong to the certificate in %s",
                   pair->key.path, pair->chain.path);
}

int creds_parse_priority(const char *tls_min, const char *priority, gnutls_priority_t *out,
                         struct why *why)
{
    static const char *const versions[] = {"1.0", "1.1", "1.2", "1.3"};
    const char *at = NULL;
    char own[160] = "NORMAL:-VERS-ALL";
    int least = 2;
    for (int i = 0; tls_min && i < 4; i++)
        if (strcmp(tls_min, versions[i]) == 0)
            least = i;
    for (int i = 3; i >= least; i--) {
        strcat(own, ":+VERS-TLS");
        strcat(own, versions[i]);
    }
    bool given = priority && *priority;
    int rc = gnutls_priority_init(out, given ? priority : own, &at);
    if (rc < 0)
        return why_set(why, WHY_OURS, "4.3.5", "TLS priority string \"%s\" is not accepted%s%s",
                       given ? priority : own, at && *at ? " from " : "", at ? at : "");
    return 0;
}

static bool understood(const struct pair *pair, const gnutls_pk_algorithm_t *algorithms, int n)
{
    for (int i = 0; i < n; i++)
        if (algorithms[i] == pair->algorithm)
            return true;
    return n == 0;
}

static bool named(struct pair *pair, const char *sni)
{
    gnutls_datum_t der = pair->certificates[0].cert;
    return *sni && verify_name(span_of(der.data, der.size), &sni, 1);
}

// The name decides, then the key type; without a fitting name the first in the file serves all.
static int choose(gnutls_session_t session, const gnutls_datum_t *authorities, int nauthorities,
                  const gnutls_pk_algorithm_t *algorithms, int nalgorithms, gnutls_pcert_st **chain,
                  unsigned *nchain, gnutls_privkey_t *key)
{
    (void)authorities;
    (void)nauthorities;
    struct creds *creds = gnutls_session_get_ptr(session);
    char sni[MAX_DOMAIN + 1] = "";
    size_t n = sizeof sni;
    unsigned type;
    if (gnutls_server_name_get(session, sni, &n, &type, 0) < 0 || type != GNUTLS_NAME_DNS)
        sni[0] = 0;
    struct pair *best = NULL;
    for (size_t i = 0; i < creds->npairs && !best; i++)
        if (named(&creds->pairs[i], sni) && understood(&creds->pairs[i], algorithms, nalgorithms))
            best = &creds->pairs[i];
    for (size_t i = 0; i < creds->npairs && !best; i++)
        if (understood(&creds->pairs[i], algorithms, nalgorithms))
            best = &creds->pairs[i];
    if (!best)
        best = &creds->pairs[0];
    *chain = best->certificates;
    *nchain = best->count;
    *key = best->private_key;
    return 0;
}

struct creds *creds_load(const struct cfg_certificate *certificates, size_t n, struct why *why)
{
    if (n == 0) {
        why_set(why, WHY_OURS, "4.3.5", "no certificate is configured");
        return NULL;
    }
    struct creds *creds = mem_new(sizeof *creds);
    atomic_init(&creds->refs, 1);
    creds->pairs = mem_new(n * sizeof *creds->pairs);
    gnutls_certificate_allocate_credentials(&creds->gnutls);
    gnutls_certificate_set_retrieve_function2(creds->gnutls, choose);
    creds->tickets = certificates[0].tickets;
    if (creds->tickets && gnutls_session_ticket_key_generate(&creds->ticket_key) < 0)
        creds->tickets = false;
    int rc = creds_parse_priority(certificates[0].tls_min, certificates[0].tls_priority,
                                  &creds->priority, why);
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct pair *pair = &creds->pairs[creds->npairs++];
        rc = load_chain(pair, certificates[i].chain, why);
        if (rc == 0)
            rc = load_key(pair, certificates[i].key, why);
        if (rc == 0)
            rc = check_pair(pair, why);
    }
    if (rc == 0)
        return creds;
    creds_unref(creds);
    return NULL;
}

struct creds *creds_ref(struct creds *creds)
{
    atomic_fetch_add(&creds->refs, 1);
    return creds;
}

static void free_pair(struct pair *pair)
{
    for (unsigned i = 0; i < pair->count; i++)
        gnutls_pcert_deinit(&pair->certificates[i]);
    if (pair->private_key)
        gnutls_privkey_deinit(pair->private_key);
    free(pair->chain.path);
    free(pair->key.path);
}

void creds_unref(struct creds *creds)
{
    if (!creds || atomic_fetch_sub(&creds->refs, 1) != 1)
        return;
    for (size_t i = 0; i < creds->npairs; i++)
        free_pair(&creds->pairs[i]);
    free(creds->pairs);
    if (creds->priority)
        gnutls_priority_deinit(creds->priority);
    gnutls_certificate_free_credentials(creds->gnutls);
    gnutls_memset(creds->ticket_key.data, 0, creds->ticket_key.size);
    gnutls_free(creds->ticket_key.data);
    free(creds);
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

bool creds_changed(const struct creds *creds)
{
    for (size_t i = 0; i < creds->npairs; i++)
        if (differs(&creds->pairs[i].chain) || differs(&creds->pairs[i].key))
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

gnutls_certificate_credentials_t creds_gnutls(const struct creds *creds)
{
    return creds->gnutls;
}

gnutls_priority_t creds_priority(const struct creds *creds)
{
    return creds->priority;
}

const gnutls_datum_t *creds_ticket_key(const struct creds *creds)
{
    return creds->tickets ? &creds->ticket_key : NULL;
}
