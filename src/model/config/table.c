/*
 * table.c - functions on the tables of keys: lookup, nearest known key, defaults and release.
 *
 * Does not depend on JSON or on any particular key.
 */
#include <stdlib.h>
#include <string.h>

#include "store.h"
#include "table.h"

/* Longer words are not compared, so that the rows of edit_distance() fit on the stack. */
#define WORD_MAX 64u

const struct config_key *config_table_find(const struct config_table *table, const char *key)
{
    for (size_t i = 0; i < table->n_keys; i++) {
        if (strcmp(table->keys[i].key, key) == 0)
            return &table->keys[i];
    }
    return NULL;
}

/*
 * Return the number of characters to insert, delete, replace or transpose to turn a into b
 * (optimal string alignment), or SIZE_MAX if either is longer than WORD_MAX.
 */
static size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1]; /* the last three rows of the matrix, used in rotation */
    size_t n_a = strnlen(a, WORD_MAX + 1);
    size_t n_b = strnlen(b, WORD_MAX + 1);
    if (n_a > WORD_MAX || n_b > WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= n_b; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *before = rows[(i + 1) % 3]; /* two rows above */
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            row[j] =
                size_min(above[j - 1] + (a[i - 1] != b[j - 1]), 1 + size_min(above[j], row[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = size_min(row[j], before[j - 2] + 1);
        }
    }
    return rows[n_a % 3][n_b];
}

bool config_nearer(const char *text, const char *candidate, size_t *best)
{
    size_t distance = edit_distance(text, candidate);
    /* Allow one mistake, and one more for every four letters. */
    if (distance > 1 + strlen(candidate) / 4 || distance >= *best)
        return false;
    *best = distance;
    return true;
}

const char *config_table_nearest(const struct config_table *table, const char *key)
{
    const char *nearest = NULL;
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < table->n_keys; i++) {
        if (config_nearer(key, table->keys[i].key, &best))
            nearest = table->keys[i].key;
    }
    return nearest;
}

static bool default_text(const struct config_key *key, void *object)
{
    char *copy = key->default_string ? strdup(key->default_string) : NULL;
    config_store_pointer(key, object, copy);
    return copy || !key->default_string;
}

static bool default_list(const struct config_key *key, void *object)
{
    void *list = calloc(1, key->table->struct_size);
    if (!list)
        return false;
    config_store_pointer(key, object, list);
    config_store_count(key, object, 1);
    if (!config_table_defaults(key->table, list))
        return false;
    config_store_number(&key->table->keys[0], list, key->default_value);
    return true;
}

static bool default_integer_list(const struct config_key *key, void *object)
{
    uint32_t *list = malloc(sizeof *list);
    if (!list)
        return false;
    *list = key->default_value;
    config_store_pointer(key, object, list);
    config_store_count(key, object, 1);
    return true;
}

static bool default_value(const struct config_key *key, void *object)
{
    switch (key->kind) {
    case KEY_STRING:
    case KEY_LISTEN_ADDRESS:
        return default_text(key, object);
    case KEY_BOOL:
    case KEY_INTEGER:
    case KEY_FACTOR:
    case KEY_ENUM:
    case KEY_ENUM_SET:
        config_store_number(key, object, key->default_value);
        return true;
    case KEY_ENUM_LIST:
        config_store_element(key, object, 0, key->default_value);
        config_store_count(key, object, 1);
        return true;
    case KEY_INTEGER_LIST:
        return default_integer_list(key, object);
    case KEY_OBJECT:
        return config_table_defaults(key->table, config_field(key, object));
    case KEY_FALSE_OR_OBJECT:
        return config_table_defaults(key->table, object);
    case KEY_SHORTHAND_LIST:
        return default_list(key, object);
    default: /* required, or empty by default */
        return true;
    }
}

bool config_table_defaults(const struct config_table *table, void *object)
{
    for (size_t i = 0; i < table->n_keys; i++) {
        if (!default_value(&table->keys[i], object))
            return false;
    }
    return true;
}

void config_release_list(const struct config_key *key, void *object)
{
    char *list = config_pointer(key, object);
    size_t n = config_count(key, object);
    for (size_t i = 0; list && i < n; i++) {
        if (key->table)
            config_table_release(key->table, list + i * key->table->struct_size);
        else if (key->kind == KEY_STRING_LIST)
            free(((char **)config_pointer(key, object))[i]);
    }
    free(list);
}

static void release_value(const struct config_key *key, void *object)
{
    switch (key->kind) {
    case KEY_STRING:
    case KEY_FILE:
    case KEY_LISTEN_ADDRESS:
    case KEY_NODE_ADDRESS:
    case KEY_SERVER_ADDRESS:
        free(config_pointer(key, object));
        return;
    case KEY_OBJECT:
        config_table_release(key->table, config_field(key, object));
        return;
    case KEY_OPTIONAL_OBJECT:
        if (config_pointer(key, object))
            config_table_release(key->table, config_pointer(key, object));
        free(config_pointer(key, object));
        return;
    case KEY_FALSE_OR_OBJECT:
        config_table_release(key->table, object);
        return;
    case KEY_STRING_LIST:
    case KEY_INTEGER_LIST:
    case KEY_NETWORK_LIST:
    case KEY_LIST:
    case KEY_SHORTHAND_LIST:
        config_release_list(key, object);
        return;
    default:
        return;
    }
}

void config_table_release(const struct config_table *table, void *object)
{
    for (size_t i = 0; i < table->n_keys; i++)
        release_value(&table->keys[i], object);
}
