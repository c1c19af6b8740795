/*
 * config.c - find values in a configuration, and free it.
 */
#include "model/config/config.h"

#include <stdlib.h>
#include <string.h>

#include "table.h"

static uint32_t line_of(const struct config *config, const char *path, size_t n)
{
    for (size_t i = 0; i < config->n_where; i++)
        if (strncmp(config->where[i].path, path, n) == 0 && config->where[i].path[n] == '\0')
            return config->where[i].line;
    return 0;
}

uint32_t config_line(const struct config *config, const char *path)
{
    const size_t n = strlen(path);
    const char *index = n > 0 && path[n - 1] == ']' ? strrchr(path, '[') : NULL;
    uint32_t line = line_of(config, path, n);
    return line || !index ? line : line_of(config, path, (size_t)(index - path));
}

bool config_find_cluster(const struct config *config, const char *name, size_t *index)
{
    for (size_t i = 0; i < config->n_clusters; i++) {
        const char *candidate = config->clusters[i].name;
        if (!name || (candidate && strcmp(candidate, name) == 0)) {
            *index = i;
            return true;
        }
    }
    return false;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->n_where; i++)
        free(config->where[i].path);
    free(config->where);
    config_table_release(&config_top_table, config);
    free(config);
}

void config_messages_fini(struct config_messages *messages)
{
    for (size_t i = 0; i < messages->n; i++)
        free(messages->list[i].text);
    free(messages->list);
    *messages = (struct config_messages){0};
}
