/*
 * place.c - step from a JSON value to the values inside it.
 *
 * jansson's values and the entries of the line map are in the same order, so both are iterated
 * together, and every value has its line and its path.
 */
#include "place.h"

#include <string.h>

#include "load.h"

bool config_place_member(const struct config_load *load, const struct config_place *at,
                         const char *key, struct config_place *out)
{
    const char *name;
    json_t *value;
    uint32_t entry = config_lines_first(at->entry);
    json_object_foreach(at->value, name, value)
    {
        if (strcmp(name, key) == 0) {
            *out = (struct config_place){.up = at, .key = name, .value = value, .entry = entry};
            return true;
        }
        entry = config_lines_next(&load->lines, entry);
    }
    return false;
}

bool config_place_element(const struct config_load *load, const struct config_place *at,
                          size_t index, struct config_place *out)
{
    json_t *value = json_array_get(at->value, index);
    uint32_t entry = config_lines_first(at->entry);
    if (!value)
        return false;
    for (size_t i = 0; i < index; i++)
        entry = config_lines_next(&load->lines, entry);
    *out = (struct config_place){.up = at, .index = index, .value = value, .entry = entry};
    return true;
}

size_t config_place_items(const struct config_place *at)
{
    return json_is_array(at->value) ? json_array_size(at->value) : 1;
}

bool config_place_item(const struct config_load *load, const struct config_place *at, size_t index,
                       struct config_place *out)
{
    if (json_is_array(at->value))
        return config_place_element(load, at, index, out);
    *out = *at;
    return index == 0;
}
