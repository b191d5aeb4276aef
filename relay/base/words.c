// SPDX-License-Identifier: ISC
// A table of counted texts behind one mutex.
#include "relay/base/words.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/base/table.h"

struct words {
    UT_hash_handle hh;
    size_t refs;
    char text[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct words *table;

const char *words_keep(const char *text)
{
    if (!text)
        return NULL;
    size_t n = strlen(text);
    struct words *w;
    pthread_mutex_lock(&lock);
    HASH_FIND(hh, table, text, n, w);
    if (!w) {
        w = mem_new(sizeof *w + n + 1);
        memcpy(w->text, text, n + 1);
        HASH_ADD_KEYPTR(hh, table, w->text, n, w);
    }
    w->refs++;
    pthread_mutex_unlock(&lock);
    return w->text;
}

void words_drop(const char *kept)
{
    if (!kept)
        return;
    struct words *w = (struct words *)(void *)(uintptr_t)(kept - offsetof(struct words, text));
    pthread_mutex_lock(&lock);
    assert(w->refs > 0);
    if (--w->refs == 0) {
        HASH_DEL(table, w);
        free(w);
    }
    pthread_mutex_unlock(&lock);
}
