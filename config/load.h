// SPDX-License-Identifier: ISC
// From a YAML file to a `struct config`. Reports every error it can find in one go, each as
// "file:line:column: message", so that an operator mends a file once.
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "config/config.h"
#include "relay/base/buf.h"

#define CONFIG_DEFAULT_FILE "/etc/waxwing/waxwing.yaml"
#define CONFIG_FILE_SIZE    1048576  // bytes, the largest configuration file read
#define CONFIG_INCLUDED     1000     // files that one may include,
#define CONFIG_ALL_SIZE     16777216 // bytes that these may have together,
#define CONFIG_PRINT_SIZE                                                                          \
    536870912 // and what all of it may take when it is printed with its defaults

struct config_load {
    bool check_files;    // also: every file named exists and can be read by this process
    const char *as_user; // in messages about files: who this process is then; NULL: nobody is named
    const char *hostname; // stands for the system's full host name where none is configured; NULL:
                          // the system is asked (which may ask the DNS)
    struct buf errors;    // lines "file:line:column: message"; empty: none
    struct buf warnings;  // lines of the same shape: keys that nothing serves yet, doubtful values
};

void config_load_init(struct config_load *load);
void config_load_free(struct config_load *load);

// NULL when there were errors. The caller owns one reference.
struct config *config_load_file(const char *path, struct config_load *load);
// The same from memory; `path` names it in messages and anchors relative file names.
struct config *config_load_text(const char *path, const void *text, size_t n,
                                struct config_load *load);

// "; this mends it: …" for a file that this process's user may not read; NULL: a folder on the way is what hides it.
char *config_how_to_read(const char *path);
// Every key with its value now (defaults included) as YAML that loads again.
void config_print(const struct config *config, struct buf *out);
// Each key of the first level with its value as it is printed; the text lasts until `fn` returns.
void config_each(const struct config *config,
                 void (*fn)(const char *name, struct span printed, void *arg), void *arg);
// The names, parted by ", ", of the keys that a reload does not apply and that differ between the two;
// nothing is added when there are none.
void config_fixed_changes(const struct config *now, const struct config *next, struct buf *out);
// Whether the value of a key of the first level, as it is printed, is another.
bool config_differs(const struct config *a, const struct config *b, const char *name);
// The table of keys: one paragraph per key for the manual page (roff).
void config_manual(struct buf *out);

#endif
