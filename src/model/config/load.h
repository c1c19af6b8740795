/*
 * load.h - the state of one run of the loader, and the steps of the run.
 */
#ifndef MODEL_CONFIG_LOAD_H
#define MODEL_CONFIG_LOAD_H

#include <stdbool.h>

#include "lines.h"
#include "model/config/config.h"
#include "place.h"
#include "table.h"

struct config_load {
    struct config *config;
    const char *file_name;
    struct config_lines lines;
    struct config_messages *messages;
    bool no_memory; /* already reported; values may be missing although the file has them */
};

/*
 * Read the object at `at` into a struct of that table: every key by its row, with errors for
 * unknown and missing keys. The struct has its defaults before; a field whose value is invalid
 * keeps its default.
 */
void config_load_object(struct config_load *load, const struct config_table *table,
                        const struct config_place *at, void *object);

/* Report elements of the list that have the same value of a key that must be unique. */
void config_check_unique(struct config_load *load, const struct config_key *list,
                         const struct config_place *at, void *object);

/*
 * Check the rules that no single row can check: references by name, and keys that exclude or
 * require each other. Implemented in check/.
 */
void config_check_whole(struct config_load *load, const struct config_place *root);

#endif
