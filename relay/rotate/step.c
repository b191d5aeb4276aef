// SPDX-License-Identifier: ISC
// The order of a step: what was left half done, time, new keys, the DNS, what follows from it, the file, the names, the
// relay, and only then what others see.
#include "relay/rotate/step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/clock.h"
#include "relay/base/exit.h"
#include "relay/base/mem.h"
#include "relay/rotate/publish.h"
#include "relay/rotate/store.h"

#define STEP_RECORD_MAX 16384

struct step {
    const struct step_options *o;
    struct rotation *r;
    char *folder, *like; // `like`: a key that signs, whose owner new files get
    struct facts *facts;
    struct sign_key **keys; // beside r->keys, while the DNS is asked
    int64_t now;
    int status;
};

char *step_folder(const struct cfg_dkim_domain *domain)
{
    if (!domain->found || !domain->nkeys)
        return NULL;
    char *folder = mem_dup(domain->keys[0].file), *slash = strrchr(folder, '/');
    *slash = 0;
    return folder;
}

static void step_tell(const struct step *s, const char *verb, const char *selector,
                      const char *text)
{
    char *name =
        mem_printf("%s%s%s", selector, *selector ? "._domainkey." : "", s->o->domain->domain);
    s->o->tell(s->o->arg, verb, name, text);
    free(name);
}

static void step_failed(struct step *s, const char *selector, const struct why *why, int status)
{
    step_tell(s, "failed", selector, why->text);
    if (s->status == EXIT_YES || s->status == EXIT_TEMP)
        s->status = status;
}

static bool same_file(const char *a, const char *b)
{
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

// Something else of the configuration that reads this key, and would miss it. NULL: nothing.
static const char *other_reader(const struct step *s, const char *path)
{
    const struct config *c = s->o->config;
    if (c->arc.domain[0] && same_file(c->arc.file, path))
        return "arc";
    for (size_t d = 0; d < c->ndkim; d++)
        for (size_t k = 0; k < c->dkim[d].nkeys; k++)
            if (&c->dkim[d] != s->o->domain && same_file(c->dkim[d].keys[k].file, path))
                return c->dkim[d].domain;
    return NULL;
}

// Whether no key of this type would be taken from somebody.
static bool is_ours_alone(struct step *s, enum key_type type)
{
    struct why why;
    for (size_t i = 0; i < s->r->n; i++) {
        if (s->r->keys[i].type != type || s->r->keys[i].phase != ROTATION_ACTIVE)
            continue;
        char *path = store_path(s->folder, s->r->keys[i].selector, ROTATION_ACTIVE);
        const char *reader = other_reader(s, path);
        free(path);
        if (!reader)
            continue;
        why_set(&why, WHY_OURS, "4.3.5",
                "%s uses this key file too, so it stays: give it a file of its own", reader);
        step_failed(s, s->r->keys[i].selector, &why, EXIT_NO);
        return false;
    }
    return true;
}

static int save(struct step *s)
{
    struct why why;
    if (store_save(s->folder, s->r, s->like, &why) == 0)
        return 0;
    step_failed(s, "", &why, EXIT_NO);
    return -1;
}

static void begin_turns(struct step *s)
{
    static const enum key_type types[] = {KEY_RSA, KEY_ED25519};
    uint64_t every = s->o->begin ? 0 : s->o->config->signing.rotate_every;
    struct why why;
    if (!s->o->begin && !every)
        return;
    for (size_t i = 0; i < 2; i++) {
        if (!rotation_due(s->r, types[i], every) || !is_ours_alone(s, types[i]))
            continue;
        if (store_make(s->folder, s->r, types[i], s->o->bits, s->like, s->now, &why) < 0)
            step_failed(s, "", &why, EXIT_NO);
        else
            step_tell(s, "made", s->r->keys[s->r->n - 1].selector, "a new key");
    }
}

static bool step_look(void *arg)
{
    struct step *s = arg;
    bool waits = false;
    char text[256];
    for (size_t i = 0; i < s->r->n; i++)
        if (s->keys[i])
            waits |= published_check(s->o->domain->domain, s->r->keys[i].selector, s->keys[i],
                                     s->facts, &s->r->keys[i].heard, text);
    return waits;
}

static void load_keys(struct step *s)
{
    struct why why;
    s->keys = mem_new((s->r->n + 1) * sizeof *s->keys);
    for (size_t i = 0; i < s->r->n; i++) {
        char *path = store_find(s->folder, &s->r->keys[i]);
        s->keys[i] = path ? sign_key_load(path, &why) : NULL;
        if (path && !s->keys[i])
            step_failed(s, s->r->keys[i].selector, &why, EXIT_NO);
        free(path);
    }
}

static void ask_dns(struct step *s)
{
    struct why why;
    s->facts = facts_new();
    dns_evaluate_blocking(s->o->dns, s->facts, step_look, s);
    facts_free(s->facts);
    for (size_t i = 0; i < s->r->n; i++) {
        enum published heard = s->keys[i] ? s->r->keys[i].heard : PUBLISHED_UNKNOWN;
        rotation_hear(s->r, i, heard, s->now);
        if (heard != PUBLISHED_UNKNOWN || !s->keys[i])
            continue;
        why_set(&why, WHY_OURS, "4.4.3", "the DNS does not say whether its record is there");
        step_failed(s, s->r->keys[i].selector, &why, EXIT_TEMP);
    }
}

static void tell_turned(const struct step *s, const enum rotation_phase *before)
{
    for (size_t i = 0; i < s->r->n; i++)
        if (s->r->keys[i].phase != before[i] &&
            (s->r->keys[i].phase == ROTATION_ACTIVE || s->r->keys[i].phase == ROTATION_RETIRED))
            step_tell(s, rotation_phase_word(s->r->keys[i].phase), s->r->keys[i].selector,
                      s->r->keys[i].phase == ROTATION_ACTIVE
                          ? "signs from here on"
                          : "signs no more; its record stays for mail on its way");
}

static uint64_t retire_time(const struct config *c)
{
    return c->signing.rotate_retire > c->delivery.expire ? c->signing.rotate_retire
                                                         : c->delivery.expire;
}

// A relay that has not read its configuration again signs with what is retired here, so nothing that is retired is
// settled, nor withdrawn, before it has.
static void settle(struct step *s, bool renamed)
{
    bool due = renamed;
    for (size_t i = 0; i < s->r->n; i++) {
        const struct rotation_key *key = &s->r->keys[i];
        due |= key->phase == ROTATION_RETIRED &&
               (!key->settled || rotation_may_withdraw(s->r, i, retire_time(s->o->config)));
    }
    if (!due)
        return;
    bool read_again = s->o->reload(s->o->arg) == 0;
    for (size_t i = 0; i < s->r->n; i++) {
        struct rotation_key *key = &s->r->keys[i];
        char *path = store_path(s->folder, key->selector, ROTATION_ACTIVE);
        bool signs = access(path, F_OK) == 0; // it could not be renamed
        free(path);
        if (key->phase != ROTATION_RETIRED || signs)
            continue;
        if (read_again && rotation_may_withdraw(s->r, i, retire_time(s->o->config)))
            rotation_withdraw(s->r, i, s->now);
        else
            key->settled = read_again;
    }
    if (!read_again)
        step_tell(s, "failed", "", "the relay has not read its configuration again");
    if (!read_again && s->status == EXIT_YES)
        s->status = EXIT_TEMP;
}

static void record_of(const struct sign_key *key, struct buf *out)
{
    buf_init(out, STEP_RECORD_MAX);
    if (sign_key_record(key, out) < 0)
        buf_reset(out);
}

static void publish_key(struct step *s, size_t i, const char *action, const char *by_hand)
{
    const char *selector = s->r->keys[i].selector;
    struct buf record;
    struct why why;
    record_of(s->keys[i], &record);
    if (!s->o->publish[0]) {
        step_tell(s, by_hand, selector, buf_text(&record));
    } else {
        char *name = mem_printf("%s._domainkey.%s", selector, s->o->domain->domain);
        if (publish_run(s->o->publish, action, name, buf_text(&record), &why) < 0)
            step_failed(s, selector, &why, EXIT_NO);
        else
            step_tell(s, action, selector, buf_text(&record));
        free(name);
    }
    buf_free(&record);
}

// A key whose record is gone is removed; the row stays until the file is away.
static void remove_key(struct step *s, size_t i)
{
    char *path = store_find(s->folder, &s->r->keys[i]);
    struct why why;
    if (path && unlink(path) < 0) {
        why_set(&why, WHY_OURS, "4.3.0", "%s cannot be removed: %s", path, strerror(errno));
        step_failed(s, s->r->keys[i].selector, &why, EXIT_NO);
    } else {
        step_tell(s, "removed", s->r->keys[i].selector, "its record is gone, and so is the key");
        sign_key_unref(s->keys[i]);
        memmove(&s->keys[i], &s->keys[i + 1], (s->r->n - i - 1) * sizeof *s->keys);
        rotation_drop(s->r, i);
    }
    free(path);
}

static void publish_all(struct step *s)
{
    bool removed = false;
    for (size_t i = s->r->n; i-- > 0;) {
        size_t before = s->r->n;
        if (!s->keys[i])
            continue;
        if (rotation_gone(s->r, i))
            remove_key(s, i);
        else if (rotation_wants_record(s->r, i))
            publish_key(s, i, "add", "publish");
        else if (s->r->keys[i].phase == ROTATION_WITHDRAWN)
            publish_key(s, i, "remove", "remove");
        removed |= s->r->n < before;
    }
    if (removed) {
        store_sync(s->folder);
        save(s);
    }
}

// A reader that came while a turn was under way: the key stays, the next one waits.
static void hold_what_others_read(struct step *s)
{
    for (size_t i = 0; i < s->r->n; i++)
        if (s->r->keys[i].phase == ROTATION_PUBLISHED && !is_ours_alone(s, s->r->keys[i].type))
            s->r->keys[i].heard = PUBLISHED_UNKNOWN;
}

static void act(struct step *s)
{
    enum rotation_phase *before = mem_new((s->r->n + 1) * sizeof *before);
    struct why why;
    bool renamed = false;
    for (size_t i = 0; i < s->r->n; i++)
        before[i] = s->r->keys[i].phase;
    hold_what_others_read(s);
    rotation_switch(s->r, s->now);
    if (save(s) == 0) {
        if (store_rename(s->folder, s->r, &renamed, &why) < 0)
            step_failed(s, "", &why, EXIT_NO);
        store_sync(s->folder);
        tell_turned(s, before);
        settle(s, renamed);
        if (save(s) == 0)
            publish_all(s);
    }
    free(before);
}

// What rotation.json lacks or has lost is in the names.
static int step_read(struct step *s)
{
    struct why why;
    bool damaged;
    if (store_load(s->folder, s->r, &damaged, &why) < 0) {
        step_failed(s, "", &why, EXIT_NO);
        if (!damaged)
            return -1;
    }
    store_match(s->folder, s->r, s->now);
    for (size_t i = 0; i < s->r->n && !s->like; i++)
        if (s->r->keys[i].phase == ROTATION_ACTIVE)
            s->like = store_path(s->folder, s->r->keys[i].selector, ROTATION_ACTIVE);
    rotation_pass(s->r, clock_boot_ms(), s->now);
    return 0;
}

static void step_go(struct step *s)
{
    if (step_read(s) < 0)
        return;
    begin_turns(s);
    load_keys(s);
    ask_dns(s);
    act(s);
    for (size_t i = 0; i < s->r->n; i++)
        sign_key_unref(s->keys[i]);
    free(s->keys);
}

int step_run(const struct step_options *o, struct rotation *r)
{
    struct step s = {.o = o, .r = r, .folder = step_folder(o->domain), .now = clock_ms()};
    struct why why;
    *r = (struct rotation){0};
    s.status = EXIT_YES;
    int fd = open(s.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
        bool busy = fd >= 0 && errno == EWOULDBLOCK;
        why_set(&why, WHY_OURS, "4.3.0", "%s: %s", s.folder,
                busy ? "another waxwing turns its keys at the moment" : strerror(errno));
        step_failed(&s, "", &why, busy ? EXIT_TEMP : EXIT_NO);
    } else {
        step_go(&s);
    }
    if (fd >= 0)
        close(fd);
    free(s.folder);
    free(s.like);
    return s.status;
}
