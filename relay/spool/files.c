// SPDX-License-Identifier: ISC
// The system's file layer. Thin on purpose: no retry but for EINTR, no cache, no decision.
#include "relay/spool/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int files_system_open(void *self, const char *path, enum spool_open how)
{
    (void)self;
    static const int flags[] = {O_RDONLY, O_RDWR, O_RDWR | O_CREAT | O_EXCL};
    return open(path, flags[how] | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static void files_system_close(void *self, int fd)
{
    (void)self;
    close(fd);
}

static ssize_t files_system_pread(void *self, int fd, void *out, size_t n, uint64_t offset)
{
    (void)self;
    ssize_t got;
    do
        got = pread(fd, out, n, (off_t)offset);
    while (got < 0 && errno == EINTR);
    return got;
}

static ssize_t files_system_pwritev(void *self, int fd, const struct iovec *pieces, int n,
                                    uint64_t offset)
{
    (void)self;
    ssize_t put;
    do
        put = pwritev(fd, pieces, n, (off_t)offset);
    while (put < 0 && errno == EINTR);
    return put;
}

static int files_system_datasync(void *self, int fd)
{
    (void)self;
    return fdatasync(fd);
}

static int files_system_truncate(void *self, int fd, uint64_t size)
{
    (void)self;
    return ftruncate(fd, (off_t)size);
}

// Not posix_fallocate(), which writes zeros where the file system cannot take space ahead.
static int files_system_allocate(void *self, int fd, uint64_t size)
{
    (void)self;
    return fallocate(fd, 0, 0, (off_t)size);
}

static int files_system_size(void *self, int fd, uint64_t *bytes)
{
    (void)self;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -1;
    *bytes = (uint64_t)st.st_size;
    return 0;
}

static int files_system_rename(void *self, const char *from, const char *to)
{
    (void)self;
    return rename(from, to);
}

static int files_system_unlink(void *self, const char *path)
{
    (void)self;
    return unlink(path);
}

static int files_system_mkdir(void *self, const char *path)
{
    (void)self;
    struct stat st;
    if (mkdir(path, 0700) == 0 || (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
        return 0;
    if (errno == EEXIST)
        errno = ENOTDIR;
    return -1;
}

static int files_system_sync_dir(void *self, const char *path)
{
    (void)self;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd), saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

static int files_system_list(void *self, const char *path,
                             void (*each)(void *arg, const char *name), void *arg)
{
    (void)self;
    DIR *dir = opendir(path);
    if (!dir)
        return -1;
    errno = 0;
    for (struct dirent *e; (e = readdir(dir)); errno = 0)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            each(arg, e->d_name);
    int saved = errno;
    closedir(dir);
    errno = saved;
    return saved ? -1 : 0;
}

static int files_system_free_bytes(void *self, const char *path, uint64_t *bytes)
{
    (void)self;
    struct statvfs st;
    if (statvfs(path, &st) < 0)
        return -1;
    *bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}

// An open file description's lock: unlike a process's, it does not vanish when some other descriptor
// of the file is closed.
static int files_system_lock(void *self, const char *path)
{
    (void)self;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return fd;
    int saved = errno == EACCES ? EAGAIN : errno;
    close(fd);
    errno = saved;
    return -1;
}

static void *files_system_map(void *self, const char *path, size_t bytes)
{
    (void)self;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return NULL;
    void *memory = MAP_FAILED;
    int error = posix_fallocate(fd, 0, (off_t)bytes);
    if (error == 0)
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (error)
        errno = error;
    return memory == MAP_FAILED ? NULL : memory;
}

static void files_system_unmap(void *self, void *memory, size_t bytes)
{
    (void)self;
    munmap(memory, bytes);
}

static void files_system_boot(void *self, char *out, size_t size)
{
    (void)self;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, out, size - 1);
    memset(out + (n > 0 ? n : 0), 0, size - (size_t)(n > 0 ? n : 0));
    if (fd >= 0)
        close(fd);
}

const struct spool_files spool_files_system = {
    .open = files_system_open,
    .close = files_system_close,
    .pread = files_system_pread,
    .pwritev = files_system_pwritev,
    .datasync = files_system_datasync,
    .truncate = files_system_truncate,
    .allocate = files_system_allocate,
    .size = files_system_size,
    .rename = files_system_rename,
    .unlink = files_system_unlink,
    .mkdir = files_system_mkdir,
    .sync_dir = files_system_sync_dir,
    .list = files_system_list,
    .free_bytes = files_system_free_bytes,
    .map = files_system_map,
    .unmap = files_system_unmap,
    .boot = files_system_boot,
    .lock = files_system_lock,
};

ssize_t spool_files_read(const struct spool_files *files, int fd, void *out, size_t n,
                         uint64_t offset)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got =
            files->pread(files->self, fd, (unsigned char *)out + done, n - done, offset + done);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

int spool_files_write(const struct spool_files *files, int fd, const void *bytes, size_t n,
                      uint64_t offset)
{
    struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n};
    ssize_t put = files->pwritev(files->self, fd, &piece, 1, offset);
    if (put < 0)
        return -1;
    if ((size_t)put < n) {
        errno = ENOSPC;
        return -1;
    }
    return 0;
}
