/*
 * store.h - access the field of a struct that a table row describes.
 *
 * Numbers are copied by size, because a field can be a bool, an enum or a uint32_t.
 */
#ifndef MODEL_CONFIG_STORE_H
#define MODEL_CONFIG_STORE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "model/config/config.h"
#include "table.h"

_Static_assert(sizeof(enum route_source) == sizeof(uint32_t), "enums are stored as uint32_t");

static inline void *config_field(const struct config_key *key, void *object)
{
    return (char *)object + key->offset;
}

static inline void config_store_number(const struct config_key *key, void *object, uint32_t value)
{
    bool flag = value != 0;
    if (key->size == sizeof flag) {
        memcpy(config_field(key, object), &flag, sizeof flag);
        return;
    }
    assert(key->size == sizeof value);
    memcpy(config_field(key, object), &value, sizeof value);
}

/* Store one element of an array of enums that is inside the struct. */
static inline void config_store_element(const struct config_key *key, void *object, size_t index,
                                        uint32_t value)
{
    assert((index + 1) * sizeof value <= key->size);
    memcpy((char *)config_field(key, object) + index * sizeof value, &value, sizeof value);
}

static inline void config_store_count(const struct config_key *key, void *object, size_t count)
{
    memcpy((char *)object + key->count_offset, &count, sizeof count);
}

static inline size_t config_count(const struct config_key *key, const void *object)
{
    size_t count;
    memcpy(&count, (const char *)object + key->count_offset, sizeof count);
    return count;
}

/* Store a pointer. On our platforms, pointers of all types have the same representation. */
static inline void config_store_pointer(const struct config_key *key, void *object, void *pointer)
{
    assert(key->size == sizeof pointer);
    memcpy(config_field(key, object), &pointer, sizeof pointer);
}

static inline void *config_pointer(const struct config_key *key, const void *object)
{
    void *pointer;
    memcpy(&pointer, (const char *)object + key->offset, sizeof pointer);
    return pointer;
}

#endif
