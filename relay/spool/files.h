// SPDX-License-Identifier: ISC
// The file layer of the spool: every way in which it touches the disk, so that a test can record, fail
// or replay each of them. Paths are whole; all functions may be called from any thread at once.
//
// Each returns -1 with errno set when it fails, unless said otherwise. pwritev may write less than asked.
#ifndef RELAY_SPOOL_FILES_H
#define RELAY_SPOOL_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

enum spool_open { SPOOL_READ, SPOOL_READ_WRITE, SPOOL_CREATE }; // CREATE: must not exist; mode 0600

struct spool_files {
    void *self; // handed to every function
    int (*open)(void *self, const char *path, enum spool_open how);
    void (*close)(void *self, int fd);
    ssize_t (*pread)(void *self, int fd, void *out, size_t n, uint64_t offset);
    ssize_t (*pwritev)(void *self, int fd, const struct iovec *pieces, int n, uint64_t offset);
    int (*datasync)(void *self, int fd);
    int (*truncate)(void *self, int fd, uint64_t size);
    int (*allocate)(void *self, int fd,
                    uint64_t size); // space ahead, read as zeros; may be refused
    int (*size)(void *self, int fd, uint64_t *bytes);
    int (*rename)(void *self, const char *from, const char *to);
    int (*unlink)(void *self, const char *path);
    int (*mkdir)(void *self, const char *path); // 0 also when it is there already
    int (*sync_dir)(void *self, const char *path);
    // Names in a directory, without "." and ".."; the callback may not touch the directory.
    int (*list)(void *self, const char *path, void (*each)(void *arg, const char *name), void *arg);
    int (*free_bytes)(void *self, const char *path, uint64_t *bytes); // for an ordinary user
    // A file of that size, made where it is not there, in memory that outlives the program; real blocks, so that no
    // store into it can fail. Never synced. NULL with errno set.
    void *(*map)(void *self, const char *path, size_t bytes);
    void (*unmap)(void *self, void *memory, size_t bytes);
    void (*boot)(void *self, char *out, size_t size); // a name for this boot of the machine
    // An fd that holds the lock until it is closed; EAGAIN when another process has it.
    int (*lock)(void *self, const char *path);
};

extern const struct spool_files spool_files_system;

// All n bytes from `offset`, fewer only at the end of the file: what was read, or -1.
ssize_t spool_files_read(const struct spool_files *files, int fd, void *out, size_t n,
                         uint64_t offset);
// All of one buffer, or -1; a short write is ENOSPC.
int spool_files_write(const struct spool_files *files, int fd, const void *bytes, size_t n,
                      uint64_t offset);

#endif
