// SPDX-License-Identifier: ISC
// Which deliveries are under way, in a small mapped file that is never synced: it survives the end of the program,
// not of the machine, and costs a few stores in memory. After an end that was not clean, each delivery that was under
// way counts one more: whoever starts it knows how often the relay ended in the middle of it.
//
// A slot: free; active (under way now); suspect (it was under way at as many unclean ends as it counts, and no attempt
// of it has ended properly since). What the file says of another boot of the machine, or of messages that the spool
// does not have, is dropped.
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "relay/base/mem.h"
#include "relay/spool/inside.h"

#define SLOTS 4096
#define BOOT  40

static const char file_magic[8] = "WXUNDER1";

enum slot_state { SLOT_FREE, SLOT_ACTIVE, SLOT_SUSPECT };

struct slot {
    uint64_t id;
    uint32_t domain; // a hash
    uint16_t crashes;
    uint16_t state; // written last
};

struct underway_file {
    char magic[8], boot[BOOT];
    uint32_t clean; // 1: the relay ended as it should
    uint32_t slots;
    struct slot slot[SLOTS];
};

struct underway {
    pthread_mutex_t lock;
    struct underway_file *file;
    size_t suspects;
    size_t hand; // where a free slot is looked for first
};

static uint32_t domain_hash(const char *domain)
{
    return (uint32_t)XXH3_64bits(domain, strlen(domain));
}

static void count_ends(struct spool *s, struct underway *u)
{
    struct underway_file *f = u->file;
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &f->slot[i];
        if (slot->state == SLOT_ACTIVE && !f->clean && slot->crashes < UINT16_MAX)
            slot->crashes++;
        bool known = slot->state != SLOT_FREE && slot->crashes && table_find(s, slot->id);
        slot->state = known ? SLOT_SUSPECT : SLOT_FREE;
        u->suspects += known;
    }
}

// Before there are threads. Without the file (a disk without a free byte) nothing is counted.
void underway_open(struct spool *s)
{
    char boot[BOOT] = "";
    char *path = mem_printf("%s/underway", s->directory);
    struct underway_file *f = s->files->map(s->files->self, path, sizeof *f);
    free(path);
    if (!f)
        return;
    s->files->boot(s->files->self, boot, sizeof boot);
    struct underway *u = s->underway = mem_new(sizeof *u);
    pthread_mutex_init(&u->lock, NULL);
    u->file = f;
    bool ours = memcmp(f->magic, file_magic, sizeof f->magic) == 0 && f->slots == SLOTS &&
                memcmp(f->boot, boot, sizeof f->boot) == 0;
    if (!ours)
        memset(f, 0, sizeof *f);
    count_ends(s, u);
    memcpy(f->magic, file_magic, sizeof f->magic);
    memcpy(f->boot, boot, sizeof f->boot);
    f->slots = SLOTS;
    f->clean = 0;
}

void underway_close(struct spool *s)
{
    struct underway *u = s->underway;
    if (!u)
        return;
    u->file->clean = 1;
    s->files->unmap(s->files->self, u->file, sizeof *u->file);
    pthread_mutex_destroy(&u->lock);
    free(u);
    s->underway = NULL;
}

void spool_excuse(struct spool *s)
{
    struct underway *u = s->underway;
    if (!u)
        return;
    pthread_mutex_lock(&u->lock);
    u->file->clean = 1;
    pthread_mutex_unlock(&u->lock);
}

static struct slot *find_suspect(struct underway *u, uint64_t id, uint32_t domain)
{
    for (size_t i = 0; u->suspects && i < SLOTS; i++) {
        struct slot *slot = &u->file->slot[i];
        if (slot->state == SLOT_SUSPECT && slot->id == id && slot->domain == domain)
            return slot;
    }
    return NULL;
}

static struct slot *find_free(struct underway *u)
{
    for (size_t n = 0; n < SLOTS; n++) {
        struct slot *slot = &u->file->slot[u->hand++ % SLOTS];
        if (slot->state == SLOT_FREE)
            return slot;
    }
    return NULL;
}

unsigned spool_crashes(struct spool *s, uint64_t id, const char *domain)
{
    struct underway *u = s->underway;
    if (!u)
        return 0;
    pthread_mutex_lock(&u->lock);
    const struct slot *slot = find_suspect(u, id, domain_hash(domain));
    unsigned crashes = slot ? slot->crashes : 0;
    pthread_mutex_unlock(&u->lock);
    return crashes;
}

unsigned spool_begin(struct spool *s, uint64_t id, const char *domain)
{
    struct underway *u = s->underway;
    if (!u)
        return 0;
    uint32_t hash = domain_hash(domain);
    pthread_mutex_lock(&u->lock);
    struct slot *slot = find_suspect(u, id, hash);
    if (slot) {
        u->suspects--;
    } else if ((slot = find_free(u))) {
        slot->id = id;
        slot->domain = hash;
        slot->crashes = 0;
    }
    if (slot)
        *(volatile uint16_t *)&slot->state = SLOT_ACTIVE;
    pthread_mutex_unlock(&u->lock);
    return slot ? (unsigned)(slot - u->file->slot) + 1 : 0;
}

void spool_end(struct spool *s, unsigned number, bool whole)
{
    struct underway *u = s->underway;
    if (!u || !number)
        return;
    pthread_mutex_lock(&u->lock);
    struct slot *slot = &u->file->slot[number - 1];
    bool suspect = !whole && slot->crashes;
    u->suspects += suspect;
    *(volatile uint16_t *)&slot->state = suspect ? SLOT_SUSPECT : SLOT_FREE;
    pthread_mutex_unlock(&u->lock);
}
