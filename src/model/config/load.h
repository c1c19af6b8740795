/*
 * load.h - the state of the loader while it reads one configuration, and its steps.
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
    bool no_memory; /* out of memory, already reported; values of the file may be missing */
};

/*
 * Read the object at `at` into a struct, using the table's rows. Report unknown and missing keys.
 * The caller has set the defaults; a field with an invalid value keeps its default.
 */
void config_load_object(struct config_load *load, const struct config_table *table,
                        const struct config_place *at, void *object);

/* Report elements of a list that have the same value for a unique key. */
void config_check_unique(struct config_load *load, const struct config_key *list,
                         const struct config_place *at, void *object);

/*
 * Check the rules between keys: references by name, and keys that exclude or require each other.
 * Implemented in check/.
 */
void config_check_whole(struct config_load *load, const struct config_place *root);

#endif
