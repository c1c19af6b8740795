/*
 * read.c - read an object of the file into a struct, using the table of its keys.
 *
 * Calls the reader of each key's row, in the order of the text. Nested objects are read by
 * recursion, which ends because no table contains itself. Reports unknown and missing keys.
 *
 *    config_load_object --row--> reader --scalar, list--> field
 *             ^-------- object, list of objects ------'
 */
#include "read.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

static void read_object(struct config_load *load, const struct config_key *key,
                        const struct config_place *at, void *object)
{
    config_load_object(load, key->table, at, config_field(key, object));
}

static void read_optional(struct config_load *load, const struct config_key *key,
                          const struct config_place *at, void *object)
{
    if (key->off_allowed && json_is_false(at->value))
        return;
    if (key->off_allowed && !json_is_object(at->value)) {
        config_want(load, at, "false or an object");
        return;
    }
    void *inner = calloc(1, key->table->struct_size);
    if (!inner) {
        config_no_memory(load);
        return;
    }
    config_store_pointer(key, object, inner);
    if (!config_table_defaults(key->table, inner))
        config_no_memory(load);
    config_load_object(load, key->table, at, inner);
}

/* The flag for `false` and the keys of the object are fields of the same struct. */
static void read_false_or_object(struct config_load *load, const struct config_key *key,
                                 const struct config_place *at, void *object)
{
    if (json_is_false(at->value))
        config_store_number(key, object, true);
    else if (json_is_object(at->value))
        config_load_object(load, key->table, at, object);
    else
        config_want(load, at, "false or an object");
}

static void read_object_list(struct config_load *load, const struct config_key *key,
                             const struct config_place *at, void *object)
{
    size_t size = key->table->struct_size;
    size_t n = json_array_size(at->value);
    if (!json_is_array(at->value) || n < key->min || n > key->max) {
        struct config_text rule = {0};
        config_text_put(&rule, "an array of %" PRIu32 " to %" PRIu32 " objects", key->min,
                        key->max);
        if (n > key->max)
            config_error(load, at, "must be %s, got %zu", rule.bytes, n);
        else
            config_want(load, at, rule.bytes);
        return;
    }
    char *list = config_begin_list(load, key, object, n, size);
    struct config_place element;
    for (size_t i = 0; list && i < n && config_place_element(load, at, i, &element); i++) {
        config_store_count(key, object, i + 1);
        if (!config_table_defaults(key->table, list + i * size))
            config_no_memory(load);
        config_load_object(load, key->table, &element, list + i * size);
    }
    if (list)
        config_check_unique(load, key, at, object);
}

/*
 * Read an object, or a string that is the value of the table's first key. After an error in the
 * object, that key keeps its default, "not set", so that it is not compared with others.
 */
static void read_shorthand(struct config_load *load, const struct config_table *table,
                           const struct config_place *list, const struct config_place *at,
                           void *object)
{
    const struct config_key *first = &table->keys[0];
    const char *or_else =
        list->value == at->value ? ", an object, or a list of them" : ", or an object";
    size_t errors = load->messages->errors;
    if (json_is_object(at->value)) {
        config_load_object(load, table, at, object);
        if (load->messages->errors > errors)
            config_store_number(first, object, first->default_value);
        return;
    }
    const struct config_choice *choice = config_want_choice(load, first, at, or_else);
    if (choice)
        config_store_number(first, object, choice->value);
}

static void read_shorthand_list(struct config_load *load, const struct config_key *key,
                                const struct config_place *at, void *object)
{
    size_t size = key->table->struct_size;
    size_t n = config_place_items(at);
    if (!config_want_count(load, key, at, "strings or objects"))
        return;
    char *list = config_begin_list(load, key, object, n, size);
    struct config_place element;
    for (size_t i = 0; list && i < n && config_place_item(load, at, i, &element); i++) {
        config_store_count(key, object, i + 1);
        if (!config_table_defaults(key->table, list + i * size))
            config_no_memory(load);
        read_shorthand(load, key->table, at, &element, list + i * size);
    }
}

static config_reader *const reader[] = {
    [KEY_STRING] = config_read_string,
    [KEY_FILE] = config_read_string,
    [KEY_LISTEN_ADDRESS] = config_read_string,
    [KEY_NODE_ADDRESS] = config_read_string,
    [KEY_SERVER_ADDRESS] = config_read_string,
    [KEY_STRING_LIST] = config_read_string_list,
    [KEY_NETWORK_LIST] = config_read_network_list,
    [KEY_BOOL] = config_read_bool,
    [KEY_INTEGER] = config_read_integer,
    [KEY_INTEGER_LIST] = config_read_integer_list,
    [KEY_FACTOR] = config_read_factor,
    [KEY_ENUM] = config_read_enum,
    [KEY_ENUM_LIST] = config_read_enum_list,
    [KEY_ENUM_SET] = config_read_enum_set,
    [KEY_CLUSTER] = config_read_cluster,
    [KEY_OBJECT] = read_object,
    [KEY_OPTIONAL_OBJECT] = read_optional,
    [KEY_FALSE_OR_OBJECT] = read_false_or_object,
    [KEY_LIST] = read_object_list,
    [KEY_SHORTHAND_LIST] = read_shorthand_list,
};
_Static_assert(ARRAY_LEN(reader) == CONFIG_KIND_COUNT, "every kind of key has a reader");

/* Find the object that an unknown key belongs in, at most `depth` levels below this table. */
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
        config_error(load, at, "unknown key here; it belongs in %s", hint.bytes);
    } else {
        for (size_t i = 0; i < table->n_keys; i++)
            config_text_put(&hint, "%s%s", i ? ", " : "", table->keys[i].key);
        config_error(load, at, "unknown key; known keys: %s", hint.bytes);
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
            reader[row->kind](load, row, &place, object);
        else
            unknown_key(load, table, &place);
        place.entry = config_lines_next(&load->lines, place.entry);
    }
    missing_keys(load, table, at);
}
