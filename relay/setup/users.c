// SPDX-License-Identifier: ISC
// The table of users and their passwords' hashes. Editing the file is in relay/setup/users_edit.c.
#include "relay/setup/users.h"

#include <assert.h>
#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/base/utf8.h"
#include "relay/setup/cost.h"

struct user {
    char *name, *hash;
    size_t line;
};

struct users {
    atomic_size_t references;
    char *path;
    struct user *at; // sorted by name, names unique
    size_t n;
    size_t nverifiers;
    uint32_t iterations; // the most of any verifier
    char *decoy;         // the costliest hash: an unknown name is checked against it
    uint64_t decoy_cost;
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime;
};

// The hash of random bytes that nobody kept: checked where the file has no users whose cost to take.
static const char no_users_decoy[] =
    "$y$j9T$3OycveqQLmIrUDyIN1KLx.$O4jiLy15GuN2p9VE0RImNlqQ0EGlkFPmAt1rZMW0bt5";

bool users_name_ok(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > USERS_NAME || name[0] == '#' || name[0] == ' ' || name[n - 1] == ' ')
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7F || name[i] == ':')
            return false;
    return utf8_valid(span_text(name));
}

// Without a prefix crypt takes any two letters for the salt of the old DES scheme, whose hashes have
// 13 characters: a password in clear must not pass for one.
static bool hash_ok(const char *hash)
{
    size_t n = strlen(hash);
    struct verifier verifier;
    if (verifier_is(hash))
        return verifier_parse(span_text(hash), &verifier) == 0;
    if (n == 0 || n >= USERS_HASH || (hash[0] != '$' && hash[0] != '_' && n != 13))
        return false;
    return crypt_checksalt(hash) != CRYPT_SALT_INVALID;
}

static void users_complain(struct buf *complaints, const char *path, size_t line, const char *text)
{
    if (complaints)
        buf_addf(complaints, "%s:%zu: %s\n", path, line, text);
}

static void users_take_line(struct users *users, struct span text, size_t line,
                            struct buf *complaints)
{
    struct span name, hash;
    if (text.n && text.p[text.n - 1] == '\r')
        text.n--;
    if (span_trim(text).n == 0 || text.p[0] == '#')
        return;
    if (span_find(text, 0) >= 0 || !span_cut(text, ':', &name, &hash)) {
        users_complain(complaints, users->path, line, "not a line of the form name:hash");
        return;
    }
    struct user user = {span_dup(name), span_dup(hash), line};
    if (users_name_ok(user.name) && hash_ok(user.hash)) {
        users->at = mem_grow(users->at, users->n + 1, sizeof *users->at);
        users->at[users->n++] = user;
        return;
    }
    users_complain(complaints, users->path, line,
                   users_name_ok(user.name)
                       ? "neither a hash that crypt(5) knows nor a SCRAM verifier behind the name"
                       : "not a user name");
    free(user.name);
    free(user.hash);
}

static int users_by_name(const void *a, const void *b)
{
    const struct user *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : x->line < y->line ? -1 : 1;
}

// Sorts; of a name's lines the first counts.
static void users_settle(struct users *users, struct buf *complaints)
{
    if (users->n == 0)
        return;
    qsort(users->at, users->n, sizeof *users->at, users_by_name);
    size_t kept = 1;
    for (size_t i = 1; i < users->n; i++) {
        if (strcmp(users->at[i].name, users->at[kept - 1].name) != 0) {
            users->at[kept++] = users->at[i];
            continue;
        }
        users_complain(complaints, users->path, users->at[i].line, "this name has a line already");
        free(users->at[i].name);
        free(users->at[i].hash);
    }
    users->n = kept;
}

static const char *costliest(const struct users *users)
{
    const char *most = users->n ? users->at[0].hash : no_users_decoy;
    for (size_t i = 1; i < users->n; i++)
        if (cost_of_hash(users->at[i].hash) > cost_of_hash(most))
            most = users->at[i].hash;
    return most;
}

static void count_verifiers(struct users *users)
{
    struct verifier v;
    users->iterations = VERIFIER_ITERATIONS;
    for (size_t i = 0; i < users->n; i++) {
        if (!verifier_is(users->at[i].hash) || verifier_parse(span_text(users->at[i].hash), &v) < 0)
            continue;
        if (users->nverifiers++ == 0 || v.iterations > users->iterations)
            users->iterations = v.iterations;
    }
}

struct users *users_parse(const char *path, struct span text, struct buf *complaints)
{
    struct users *users = mem_new(sizeof *users);
    atomic_init(&users->references, 1);
    users->path = mem_dup(path);
    struct span line, rest = text;
    for (size_t number = 1; rest.n; number++) {
        struct span all = rest;
        if (!span_cut(all, '\n', &line, &rest)) {
            line = all;
            rest.n = 0;
        }
        users_take_line(users, line, number, complaints);
    }
    users->decoy = mem_dup(costliest(users));
    users->decoy_cost = cost_of_hash(users->decoy);
    users_settle(users, complaints);
    count_verifiers(users);
    return users;
}

static int users_read_file(int fd, const char *path, struct buf *text, struct why *why)
{
    for (;;) {
        unsigned char *room;
        if (buf_reserve(text, text->len + 65536 < text->max ? 65536 : text->max - text->len,
                        &room) < 0 ||
            text->len == text->max)
            return why_set(why, WHY_OURS, "4.3.5", "%s is larger than %d bytes", path,
                           USERS_FILE_SIZE);
        size_t want = text->max - text->len < 65536 ? text->max - text->len : 65536;
        ssize_t got = read(fd, room, want);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return why_set(why, WHY_OURS, "4.3.5", "%s: %s", path, strerror(errno));
        if (got == 0)
            return 0;
        text->len += (size_t)got;
    }
}

struct users *users_load(const char *path, struct buf *complaints, struct why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    struct buf text;
    struct users *users = NULL;
    buf_init(&text, USERS_FILE_SIZE + 1);
    if (fd < 0 || fstat(fd, &st) < 0) {
        why_set(why, WHY_OURS, "4.3.5", "%s: %s", path, strerror(errno));
    } else if (users_read_file(fd, path, &text, why) == 0) {
        users = users_parse(path, buf_span(&text), complaints);
        users->dev = st.st_dev;
        users->ino = st.st_ino;
        users->size = st.st_size;
        users->mtime = st.st_mtim;
    }
    if (text.data)
        explicit_bzero(text.data, text.cap);
    buf_free(&text);
    if (fd >= 0)
        close(fd);
    return users;
}

struct users *users_ref(struct users *users)
{
    if (users)
        atomic_fetch_add_explicit(&users->references, 1, memory_order_relaxed);
    return users;
}

void users_unref(struct users *users)
{
    if (!users)
        return;
    size_t before = atomic_fetch_sub_explicit(&users->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1)
        return;
    for (size_t i = 0; i < users->n; i++) {
        free(users->at[i].name);
        free(users->at[i].hash);
    }
    free(users->at);
    free(users->decoy);
    free(users->path);
    free(users);
}

size_t users_count(const struct users *users)
{
    return users->n;
}

const char *users_name(const struct users *users, size_t i)
{
    assert(i < users->n);
    return users->at[i].name;
}

const char *users_find(const struct users *users, const char *name)
{
    size_t low = 0, high = users->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, users->at[middle].name);
        if (order == 0)
            return users->at[middle].hash;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

bool users_stale(const struct users *users)
{
    struct stat st;
    if (stat(users->path, &st) < 0)
        return true;
    return st.st_dev != users->dev || st.st_ino != users->ino || st.st_size != users->size ||
           st.st_mtim.tv_sec != users->mtime.tv_sec || st.st_mtim.tv_nsec != users->mtime.tv_nsec;
}

static bool same_text(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    volatile unsigned char differs = n != m;
    for (size_t i = 0; i < n; i++)
        differs |= (unsigned char)(a[i] ^ b[m ? i % m : 0]);
    return !differs;
}

size_t users_verifiers(const struct users *users)
{
    return users->nverifiers;
}

void users_verifier(const struct users *users, const char *name, const unsigned char *secret,
                    size_t nsecret, struct verifier *out)
{
    struct verifier own;
    const char *hash = users_find(users, name);
    verifier_decoy(secret, nsecret, name, users->iterations, out); // always: it takes its time
    if (hash && verifier_is(hash) && verifier_parse(span_text(hash), &own) == 0)
        *out = own;
}

bool users_verify(const char *hash, const char *password)
{
    struct verifier verifier;
    if (verifier_is(hash))
        return verifier_parse(span_text(hash), &verifier) == 0 &&
               verifier_check(&verifier, password);
    struct crypt_data *data = mem_new(sizeof *data); // 32 KiB: too much for a thread's stack
    const char *made = crypt_r(password, hash, data);
    bool same = made && made[0] != '*' && same_text(made, hash);
    explicit_bzero(data, sizeof *data);
    free(data);
    return same;
}

bool users_check(const struct users *users, const char *name, const char *password)
{
    const char *hash = users_find(users, name);
    bool right = hash && users_verify(hash, password);
    // A failure costs the same whoever it is, also where schemes are mixed.
    if (!right && (!hash || cost_of_hash(hash) * 2 < users->decoy_cost))
        (void)users_verify(users->decoy, password);
    return right;
}

int users_scram(const char *password, char out[USERS_HASH], struct why *why)
{
    struct verifier verifier;
    if (strlen(password) > USERS_PASSWORD)
        return why_set(why, WHY_OURS, "5.3.5", "a password has 1 to %d bytes", USERS_PASSWORD);
    if (verifier_make(password, VERIFIER_ITERATIONS, &verifier, why) < 0)
        return -1;
    verifier_print(&verifier, out);
    return 0;
}

int users_hash(const char *password, char out[USERS_HASH], struct why *why)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (!password[0] || strlen(password) > USERS_PASSWORD)
        return why_set(why, WHY_OURS, "5.3.5", "a password has 1 to %d bytes", USERS_PASSWORD);
    // No salt given: crypt takes it from the system.
    if (!crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof setting))
        return why_set(why, WHY_OURS, "4.3.0", "crypt makes no salt: %s", strerror(errno));
    struct crypt_data *data = mem_new(sizeof *data);
    const char *made = crypt_r(password, setting, data);
    int rc = 0;
    if (!made || made[0] == '*' || strlen(made) >= USERS_HASH)
        rc = why_set(why, WHY_OURS, "4.3.0", "crypt makes no hash: %s", strerror(errno));
    else
        memcpy(out, made, strlen(made) + 1);
    explicit_bzero(data, sizeof *data);
    free(data);
    return rc;
}
