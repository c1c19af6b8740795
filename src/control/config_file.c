/*
 * config_file.c - read a configuration from a file, and say what is wrong with it.
 */
#include "control/config_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* All bytes of a file, owned by the caller; null with errno. */
static char *read_all(FILE *file, size_t *n)
{
    size_t size = 4096, used = 0;
    char *text = malloc(size);
    while (text) {
        used += fread(text + used, 1, size - used, file);
        if (ferror(file) || used > CONFIG_FILE_MAX) {
            int saved = ferror(file) ? errno : EFBIG;
            free(text);
            errno = saved;
            return NULL;
        }
        if (used < size) {
            *n = used;
            return text;
        }
        char *larger = realloc(text, size * 2);
        if (!larger)
            free(text);
        text = larger;
        size *= 2;
    }
    return NULL;
}

struct config *config_file_load(const char *path, FILE *out)
{
    size_t n = 0;
    FILE *file = fopen(path, "re");
    char *text = file ? read_all(file, &n) : NULL;
    if (!text)
        (void)fprintf(out, "error: %s: cannot be read: %s\n", path, strerror(errno));
    if (file)
        (void)fclose(file);
    if (!text)
        return NULL;

    struct config_messages messages;
    struct config *config = config_parse(text, n, path, &messages);
    for (size_t i = 0; i < messages.n; i++)
        (void)fprintf(out, "%s%s\n",
                      messages.list[i].warning ? "warning: " : "error: ", messages.list[i].text);
    if (!config && messages.n == 0)
        (void)fprintf(out, "error: %s: out of memory\n", path);
    config_messages_fini(&messages);
    free(text);
    return config;
}
