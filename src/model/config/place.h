/*
 * place.h - a JSON value of the file with its path and line.
 */
#ifndef MODEL_CONFIG_PLACE_H
#define MODEL_CONFIG_PLACE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct config_load;

/* A value, and the path to it from the root: "listeners[0].tls". Lives on the stack. */
struct config_place {
    const struct config_place *up; /* null at the root */
    const char *key;               /* in the object above; null: element of the array above */
    size_t index;                  /* in the array above */
    json_t *value;
    uint32_t entry; /* in the line map */
};

/* Step into an object or array. False if it has no such key or index; *out is then untouched. */
MUST_USE bool config_place_member(const struct config_load *load, const struct config_place *at,
                                  const char *key, struct config_place *out);
MUST_USE bool config_place_element(const struct config_load *load, const struct config_place *at,
                                   size_t index, struct config_place *out);

/* The same if a list of one may be written without brackets: that value is then item 0. */
size_t config_place_items(const struct config_place *at);
MUST_USE bool config_place_item(const struct config_load *load, const struct config_place *at,
                                size_t index, struct config_place *out);

/* Whether the object has the key, with a valid value or not. */
static inline bool config_has(const struct config_place *at, const char *key)
{
    return json_object_get(at->value, key) != NULL;
}

#endif
