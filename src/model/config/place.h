/*
 * place.h - a JSON value of the file, with its path and line.
 */
#ifndef MODEL_CONFIG_PLACE_H
#define MODEL_CONFIG_PLACE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct config_load;

/* A value, and the path to it from the root: "listeners[0].tls". Allocated on the stack. */
struct config_place {
    const struct config_place *up; /* enclosing object or array; null for the root */
    const char *key;               /* key in an object; null for an element of an array */
    size_t index;                  /* index in an array */
    json_t *value;
    uint32_t entry; /* entry in the line map */
};

/*
 * Step into an object or array. Returns false, and leaves *out untouched, if it has no such key or
 * index.
 */
MUST_USE bool config_place_member(const struct config_load *load, const struct config_place *at,
                                  const char *key, struct config_place *out);
MUST_USE bool config_place_element(const struct config_load *load, const struct config_place *at,
                                   size_t index, struct config_place *out);

/* The same for a list that can be a single value without brackets, which is then item 0. */
size_t config_place_items(const struct config_place *at);
MUST_USE bool config_place_item(const struct config_load *load, const struct config_place *at,
                                size_t index, struct config_place *out);

/* Return whether the object contains the key, even if its value is invalid. */
static inline bool config_has(const struct config_place *at, const char *key)
{
    return json_object_get(at->value, key) != NULL;
}

#endif
