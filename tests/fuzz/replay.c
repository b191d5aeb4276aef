// SPDX-License-Identifier: ISC
// Feeds files, or every file of a folder, to a fuzz target: what libFuzzer does with a corpus, for
// builds without libFuzzer. Fails when there was nothing to feed.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return 0;
    static uint8_t data[1 << 20];
    size_t n = fread(data, 1, sizeof data, f);
    int ok = !ferror(f);
    fclose(f);
    if (!ok)
        return 0;                       // a folder
    uint8_t *exact = malloc(n ? n : 1); // so that the sanitizer sees a read behind the end
    if (!exact)
        abort();
    for (size_t i = 0; i < n; i++)
        exact[i] = data[i];
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return 1;
}

int main(int argc, char **argv)
{
    int fed = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (!dir) {
            fed += feed(argv[i]);
            continue;
        }
        for (struct dirent *e; (e = readdir(dir));) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            fed += feed(path);
        }
        closedir(dir);
    }
    printf("%d inputs replayed\n", fed);
    return fed ? 0 : 1;
}
