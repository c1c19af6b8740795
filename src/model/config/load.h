/*
 * load.h - one run of the loader, and where in the file it stands.
 */
#ifndef MODEL_CONFIG_LOAD_H
#define MODEL_CONFIG_LOAD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lines.h"
#include "model/config/config.h"
#include "table.h"

struct config_load {
    struct config *config;
    const char *file_name;
    struct config_lines lines;
    struct config_messages *messages;
    bool no_memory; /* said already; what is missing now is not the file's fault */
};

/* A value, and the way to it from the root: "listeners[0].tls". Lives on the stack. */
struct config_place {
    const struct config_place *up; /* null at the root */
    const char *key;               /* in the object above; null: element of the array above */
    size_t index;                  /* in the array above */
    json_t *value;
    uint32_t entry; /* in the line map */
};

/*
 * Read the object at `at` into a struct of that table: every key by its row, unknown and
 * missing keys reported. The struct is zeroed before, and filled as far as the file is right.
 */
void config_load_object(struct config_load *load, const struct config_table *table,
                        const struct config_place *at, void *object);

/* Read the value at `at`, of that row, into its field of the struct `object`. */
void config_read_value(struct config_load *load, const struct config_key *key,
                       const struct config_place *at, void *object);

/* Step into an object or array; false when there is nothing by that name or index. */
MUST_USE bool config_place_member(const struct config_load *load, const struct config_place *at,
                                  const char *key, struct config_place *out);
MUST_USE bool config_place_element(const struct config_load *load, const struct config_place *at,
                                   size_t index, struct config_place *out);

/* The same where a list of one may stand without its brackets: then that one is item 0. */
size_t config_place_items(const struct config_place *at);
MUST_USE bool config_place_item(const struct config_load *load, const struct config_place *at,
                                size_t index, struct config_place *out);

/* No two elements of a list that was read may share what its rows call unique. */
void config_check_unique(struct config_load *load, const struct config_key *list,
                         const struct config_place *at, void *object);

/* What no single row can see: names that refer, keys that exclude each other. */
void config_check_whole(struct config_load *load, const struct config_place *root);

#endif
