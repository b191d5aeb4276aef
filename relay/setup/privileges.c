// SPDX-License-Identifier: ISC
// From root to an ordinary user, keeping one capability.
#include "relay/setup/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include "relay/base/mem.h"

static const struct passwd *find_user(const char *name, struct why *why)
{
    const struct passwd *pw = getpwnam(name);
    if (!pw) {
        why_set(why, WHY_OURS, "4.3.0", "user: there is no user '%s' on this system", name);
    } else if (pw->pw_uid == 0) {
        why_set(why, WHY_OURS, "4.3.0", "user: '%s' is root by another name", name);
        pw = NULL;
    }
    return pw;
}

// Staying root is said in so many words, or it does not happen.
static bool stays_root(const char *user)
{
    return strcmp(user, "root") == 0;
}

// Parents are made too, as `mkdir -p` does; only the last one gets the owner.
static int make_folder(const char *path, mode_t mode, const struct passwd *owner, struct why *why)
{
    char *part = mem_dup(path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(part, 0755);
        *slash = '/';
    }
    int made = mkdir(part, mode), error = errno;
    if (made == 0 && owner && chown(part, owner->pw_uid, owner->pw_gid) < 0)
        made = -1, error = errno;
    free(part);
    if (made == 0 || error == EEXIST)
        return 0;
    struct passwd *self = error == EACCES ? getpwuid(geteuid()) : NULL;
    if (self)
        return why_set(why, WHY_OURS, "4.3.0",
                       "cannot make %s as %s: %s; make it with: install -d -o %s -m %04o %s", path,
                       self->pw_name, strerror(error), self->pw_name, (unsigned)mode, path);
    return why_set(why, WHY_OURS, "4.3.0", "cannot make %s: %s", path, strerror(error));
}

static int make_parent(const char *path, mode_t mode, const struct passwd *owner, struct why *why)
{
    char *folder = mem_dup(path);
    char *slash = strrchr(folder, '/');
    int rc = 0;
    if (slash && slash != folder) {
        *slash = 0;
        rc = make_folder(folder, mode, owner, why);
    }
    free(folder);
    return rc;
}

int privileges_folders(const struct config *config, struct why *why)
{
    const struct passwd *owner = NULL;
    if (geteuid() == 0 && !stays_root(config->user)) {
        owner = find_user(config->user, why);
        if (!owner)
            return -1;
    }
    if (make_folder(config->spool, 0700, owner, why) < 0 ||
        make_parent(config->state, 0700, owner, why) < 0)
        return -1;
    return config->control[0] ? make_parent(config->control, 0755, owner, why) : 0;
}

int privileges_borrow(const char *user, struct why *why)
{
    if (geteuid() != 0 || stays_root(user))
        return 0;
    if (!user[0])
        return why_set(why, WHY_OURS, "4.3.0",
                       "user: is empty, and root has to become somebody else after binding its "
                       "ports: name an ordinary user");
    const struct passwd *pw = find_user(user, why);
    if (!pw)
        return -1;
    if (initgroups(pw->pw_name, pw->pw_gid) == 0 && setegid(pw->pw_gid) == 0 &&
        seteuid(pw->pw_uid) == 0)
        return 0;
    why_set(why, WHY_OURS, "4.3.0", "cannot read files as %s: %s", user, strerror(errno));
    privileges_return();
    return -1;
}

bool privileges_borrowed(void)
{
    return getuid() == 0 && geteuid() != 0;
}

void privileges_return(void)
{
    if (getuid() != 0 || (geteuid() == 0 && getegid() == getgid()))
        return;
    if (seteuid(0) < 0 || setegid(getgid()) < 0)
        abort(); // what follows counts on being root again
}

static int keep_bind_service(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0}};
    data[0].permitted = data[0].effective = 1u << CAP_NET_BIND_SERVICE;
    return (int)syscall(SYS_capset, &header, data);
}

static int give(const char *path, const struct passwd *pw, struct why *why)
{
    if (chown(path, pw->pw_uid, pw->pw_gid) == 0 || errno == ENOENT)
        return 0;
    return why_set(why, WHY_OURS, "4.3.0", "cannot give %s to %s: %s", path, pw->pw_name,
                   strerror(errno));
}

int privileges_drop(const struct config *config, struct why *why)
{
    // systemd gave it to whatever is started here; the right to low ports is this program's alone.
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (geteuid() != 0 || stays_root(config->user))
        return 0;
    const struct passwd *pw = find_user(config->user, why);
    if (!pw)
        return -1;
    // Sockets were bound as root; the control socket's owner decides who may change things, and a mode of 0660 is the
    // group's.
    if (config->control[0] && give(config->control, pw, why) < 0)
        return -1;
    for (size_t i = 0; i < config->nlisten; i++) {
        const struct sockaddr_un *un = (const void *)&config->listen[i].address;
        if (un->sun_family == AF_UNIX && give(un->sun_path, pw, why) < 0)
            return -1;
    }
    if (prctl(PR_SET_KEEPCAPS, 1) < 0 || initgroups(pw->pw_name, pw->pw_gid) < 0 ||
        setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
        setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0 || keep_bind_service() < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return why_set(why, WHY_OURS, "4.3.0", "cannot become %s: %s", config->user,
                       strerror(errno));
    if (geteuid() == 0 || setuid(0) == 0)
        return why_set(why, WHY_OURS, "4.3.0", "could become root again after dropping to %s",
                       config->user);
    return 0;
}
