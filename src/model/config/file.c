/*
 * file.c - read a configuration from a file, and print its errors and warnings.
 */
#include "model/config/file.h"

#include "base/small_file.h"

struct config *config_file_load(const char *path, enum config_file_use use, FILE *out)
{
    struct small_file file;
    char why[SMALL_FILE_ERROR_MAX];
    const bool again = use == CONFIG_FILE_RELOAD;
    if (!small_file_read(path, again ? SMALL_FILE_REGULAR : SMALL_FILE_OR_PIPE, CONFIG_FILE_MAX,
                         &file, why)) {
        (void)fprintf(out, "error: %s: cannot read the file: %s\n", path, why);
        return NULL;
    }
    struct config_messages messages;
    struct config *config = config_parse(file.text, file.n, path, &messages);
    for (size_t i = 0; i < messages.n; i++)
        (void)fprintf(out, "%s%s\n",
                      messages.list[i].warning ? "warning: " : "error: ", messages.list[i].text);
    if (!config && messages.n == 0)
        (void)fprintf(out, "error: %s: out of memory\n", path);
    config_messages_fini(&messages);
    small_file_free(&file);
    return config;
}
