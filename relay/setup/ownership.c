// SPDX-License-Identifier: ISC
// Rights on what lies on disk from earlier starts.
#include "relay/setup/ownership.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/mem.h"

#define NAME_ROOM 64

static const char *user_name(uid_t uid, char out[static NAME_ROOM])
{
    const struct passwd *pw = getpwuid(uid);
    if (pw)
        snprintf(out, NAME_ROOM, "%s", pw->pw_name);
    else
        snprintf(out, NAME_ROOM, "%u", (unsigned)uid);
    return out;
}

static const char *group_name(gid_t gid, char out[static NAME_ROOM])
{
    const struct group *gr = getgrgid(gid);
    if (gr)
        snprintf(out, NAME_ROOM, "%s", gr->gr_name);
    else
        snprintf(out, NAME_ROOM, "%u", (unsigned)gid);
    return out;
}

// Only what rights forbid: a disk that is full or read-only mends itself, and is told elsewhere.
static bool is_forbidden(const char *path)
{
    struct stat st;
    int folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? X_OK : 0;
    return faccessat(AT_FDCWD, path, R_OK | W_OK | folder, AT_EACCESS) < 0 && errno == EACCES;
}

// `mend`: what the command is run on.
static void ownership_tell(const char *what, const char *path, const char *command,
                           const char *mend, struct buf *lines)
{
    struct stat st;
    char owner[NAME_ROOM], user[NAME_ROOM], group[NAME_ROOM];
    buf_addf(lines, "%s: %s: Permission denied: ", what, path);
    if (stat(path, &st) == 0)
        buf_addf(lines, "it belongs to %s, and ", user_name(st.st_uid, owner));
    buf_addf(lines, "the relay runs as %s; mend it with: %s %s:%s %s\n", user_name(geteuid(), user),
             command, user, group_name(getegid(), group), mend);
}

// The first entry of a folder that is forbidden, for the caller to free; NULL: none is.
static char *find_forbidden(const char *path, unsigned deep)
{
    DIR *folder = opendir(path);
    char *found = NULL;
    struct dirent *entry;
    while (folder && !found && (entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            strcmp(entry->d_name, "lost+found") == 0) // a disk's own, and nothing of ours
            continue;
        char *inside = mem_printf("%s/%s", path, entry->d_name);
        if (is_forbidden(inside))
            found = mem_dup(inside);
        else if (deep && entry->d_type == DT_DIR)
            found = find_forbidden(inside, deep - 1);
        free(inside);
    }
    if (folder)
        closedir(folder);
    return found;
}

bool ownership_tell_read_only(const char *what, const char *path, struct buf *lines)
{
    if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 || errno != EROFS)
        return false;
    buf_addf(lines,
             "%s: %s: its file system is mounted read-only; look at dmesg for errors of the disk, "
             "then mount it writable\n",
             what, path);
    return true;
}

static void look_at_spool(const char *spool, struct buf *lines)
{
    if (ownership_tell_read_only("spool", spool, lines))
        return;
    char *found = is_forbidden(spool) ? mem_dup(spool) : find_forbidden(spool, 1);
    if (found)
        ownership_tell("spool", found, "chown -R", spool, lines);
    free(found);
}

static bool tell_part(const char *state, const char *part, struct buf *lines)
{
    char *path = mem_printf("%s%s", state, part), *all = mem_printf("%s*", state);
    bool told = is_forbidden(path);
    if (told)
        ownership_tell("state", path, "chown", all, lines);
    free(path);
    free(all);
    return told;
}

// The folder as well: SQLite makes files of its own beside the database. One that others may not even look
// into is nobody's but the relay's, so all in it goes along.
static void look_at_state(const char *state, struct buf *lines)
{
    struct stat st;
    char *folder = mem_dup(state), *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    if (is_forbidden(folder)) {
        bool closed = stat(folder, &st) == 0 && !(st.st_mode & S_IXOTH);
        ownership_tell("state", folder, closed ? "chown -R" : "chown", folder, lines);
        free(folder);
        if (closed)
            return;
        folder = NULL;
    }
    if (!tell_part(state, "", lines) && !tell_part(state, "-wal", lines))
        tell_part(state, "-shm", lines);
    free(folder);
}

void ownership_look(const struct config *config, struct buf *lines)
{
    look_at_spool(config->spool, lines);
    look_at_state(config->state, lines);
}
