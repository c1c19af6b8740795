/*
 * walk.c - go through the objects of a configuration file, in the order of its text.
 *
 * Each known key goes to the reader of its row; this file knows the unknown and the missing.
 * It steps through jansson's values and the entries of the line map together.
 */
#include "load.h"

#include <limits.h>
#include <string.h>

#include "message.h"

/* A key that exists, but elsewhere, was put into the wrong object; at most so deep in others. */
static bool find_home(const struct config_table *table, const char *key, unsigned depth,
                      struct config_text *home)
{
    if (home->n && config_table_find(table, key))
        return true;
    for (size_t i = 0; depth > 0 && i < table->n_keys; i++) {
        const struct config_key *row = &table->keys[i];
        size_t n = home->n;
        if (!row->table)
            continue;
        config_text_put(home, "%s%s%s", n ? "." : "", row->key, config_is_list(row) ? "[]" : "");
        if (find_home(row->table, key, depth - 1, home))
            return true;
        home->bytes[home->n = n] = '\0';
    }
    return false;
}

static void unknown_key(struct config_load *load, const struct config_table *table,
                        const struct config_place *at)
{
    const char *nearest = config_table_nearest(table, at->key);
    struct config_text hint = {0};
    if (nearest) {
        config_error(load, at, "unknown key; did you mean \"%s\"?", nearest);
    } else if (find_home(&config_top_table, at->key, 1, &hint) ||
               find_home(&config_top_table, at->key, UINT_MAX, &hint)) {
        config_error(load, at, "unknown key here; it belongs into %s", hint.bytes);
    } else {
        for (size_t i = 0; i < table->n_keys; i++)
            config_text_put(&hint, "%s%s", i ? ", " : "", table->keys[i].key);
        config_error(load, at, "unknown key; known here: %s", hint.bytes);
    }
}

static void missing_keys(struct config_load *load, const struct config_table *table,
                         const struct config_place *at)
{
    for (size_t i = 0; i < table->n_keys; i++) {
        const struct config_key *row = &table->keys[i];
        if (!row->required || json_object_get(at->value, row->key))
            continue;
        struct config_place place = {.up = at, .key = row->key, .entry = at->entry};
        config_error(load, &place, "required, but missing");
    }
}

void config_load_object(struct config_load *load, const struct config_table *table,
                        const struct config_place *at, void *object)
{
    const char *key;
    json_t *value;
    if (!json_is_object(at->value)) {
        config_want(load, at, "an object");
        return;
    }
    struct config_place place = {.up = at, .entry = config_lines_first(at->entry)};
    json_object_foreach(at->value, key, value)
    {
        const struct config_key *row = config_table_find(table, key);
        place.key = key;
        place.value = value;
        if (row)
            config_read_value(load, row, &place, object);
        else
            unknown_key(load, table, &place);
        place.entry = config_lines_next(&load->lines, place.entry);
    }
    missing_keys(load, table, at);
}

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
