// SPDX-License-Identifier: ISC
// A disk in memory behind relay/spool/files.h, which remembers every operation: it can fail any one of
// them, and build the disk that a power cut after any number of them would have left.
//
// After a cut, bytes and names are those of the last datasync of the file and the last sync of the
// directory; what was done since is there, not there, or (by chance) partly there, page by page.
#ifndef TESTS_SPOOL_DISK_H
#define TESTS_SPOOL_DISK_H

#include "relay/spool/files.h"

struct disk;
enum disk_op {
    DISK_CREATE,
    DISK_WRITE,
    DISK_SYNC,
    DISK_TRUNCATE,
    DISK_ALLOCATE,
    DISK_RENAME,
    DISK_UNLINK,
    DISK_SYNC_DIR
};
enum disk_cut { CUT_ABSENT, CUT_PRESENT, CUT_RANDOM };

#define DISK_SHORT (-1) // as an error: a write stops half-way

struct disk *disk_new(void);
void disk_free(struct disk *disk);
const struct spool_files *disk_files(struct disk *disk);

size_t disk_count(struct disk *disk); // operations so far, failed ones included
// `times` operations fail with `error`, from number `at` (from 0) on; SIZE_MAX: for ever.
void disk_fail(struct disk *disk, size_t at, int error, size_t times);
bool disk_failed(struct disk *disk); // it has happened
// Full: no file grows and none is made (ENOSPC), also for those that ask how much is free; what a file has can be
// written. From now on, or from operation `at` on.
void disk_set_full(struct disk *disk, bool full);
void disk_full_at(struct disk *disk, size_t at);
bool disk_is_full(struct disk *disk);
void disk_set_free(struct disk *disk, uint64_t bytes);

// The disk that is found after the power went at operation `at`.
struct disk *disk_after(struct disk *disk, size_t at, enum disk_cut cut, uint64_t seed);
struct disk *disk_copy(struct disk *disk);

// The bytes of a file; NULL when there is none. Valid while nobody writes it.
unsigned char *disk_bytes(struct disk *disk, const char *path, size_t *n);
void disk_resize(struct disk *disk, const char *path, size_t n);
size_t disk_below(struct disk *disk, const char *directory); // how many files a directory has

#endif
