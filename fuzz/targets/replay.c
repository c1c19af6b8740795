/*
 * replay.c - run a fuzz target over files, without libFuzzer and with any compiler.
 *
 *   fuzz_x [--complete] PATH...    PATH is a file, or a directory whose files are run (not
 *                                  recursively); --complete: the inputs are the complete corpus
 *
 * Exits with 0 if no input violated an invariant, with 1 if there was no input, an input cannot be
 * read, or a complete corpus lacks inputs that its target requires. A violation aborts; the last
 * line on standard output is then the name of the input.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Optional initialization of a target. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);
/* Optional function of a target: whether its corpus is complete. */
__attribute__((weak)) bool fuzz_corpus_is_complete(void);

static bool run_file(const char *path, size_t size, size_t *count)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(size > 0 ? size : 1);
    bool ok = file != NULL && data != NULL && fread(data, 1, size, file) == size;

    if (ok) {
        printf("%s\n", path);
        fflush(stdout); /* the target may abort */
        (void)LLVMFuzzerTestOneInput(data, size);
        ++*count;
    } else {
        perror(path);
    }
    free(data);
    if (file != NULL)
        fclose(file);
    return ok;
}

static bool run_directory(const char *path, size_t *count)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    bool ok = true;

    if (directory == NULL) {
        perror(path);
        return false;
    }
    while (ok && (entry = readdir(directory)) != NULL) {
        char name[4096];
        struct stat st;
        int n = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        ok = n > 0 && (size_t)n < sizeof(name) && stat(name, &st) == 0;
        if (ok && S_ISREG(st.st_mode))
            ok = run_file(name, (size_t)st.st_size, count);
    }
    closedir(directory);
    return ok;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    bool complete = argc > 1 && strcmp(argv[1], "--complete") == 0;

    if (LLVMFuzzerInitialize)
        (void)LLVMFuzzerInitialize(&argc, &argv);
    for (int i = complete ? 2 : 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) != 0) {
            perror(argv[i]);
            return 1;
        }
        bool ok = S_ISDIR(st.st_mode) ? run_directory(argv[i], &count)
                                      : run_file(argv[i], (size_t)st.st_size, &count);
        if (!ok)
            return 1;
    }
    printf("%zu inputs replayed\n", count);
    if (complete && fuzz_corpus_is_complete && !fuzz_corpus_is_complete())
        return 1;
    return count > 0 ? 0 : 1;
}
