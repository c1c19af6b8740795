/*
 * read_list.c - read lists of strings, integers, networks and enum values.
 *
 * A list of one element can be written without brackets. Its path in messages then has no index.
 */
#include "read.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/cidr.h"
#include "store.h"

bool config_want_count(struct config_load *load, const struct config_key *key,
                       const struct config_place *at, const char *what)
{
    size_t n = config_place_items(at);
    uint32_t min = key->kind == KEY_INTEGER_LIST ? key->count_min : key->min;
    uint32_t max = key->kind == KEY_INTEGER_LIST ? key->count_max : key->max;
    if (n >= min && n <= max)
        return true;
    struct config_text rule = {0};
    config_text_put(&rule, "an array of %" PRIu32 " to %" PRIu32 " %s", min, max, what);
    if (n > max)
        config_error(load, at, "must be %s, got %zu", rule.bytes, n);
    else
        config_want(load, at, rule.bytes);
    return false;
}

/* Return whether an earlier element of the list has the same JSON value. */
static bool repeated(const struct config_place *list, const struct config_place *at)
{
    for (size_t i = 0; list->value != at->value && i < at->index; i++) {
        if (json_equal(json_array_get(list->value, i), at->value))
            return true;
    }
    return false;
}

void *config_begin_list(struct config_load *load, const struct config_key *key, void *object,
                        size_t n, size_t size)
{
    void *list = calloc(n ? n : 1, size);
    if (!list) {
        config_no_memory(load);
        return NULL;
    }
    config_release_list(key, object);
    config_store_pointer(key, object, list);
    config_store_count(key, object, 0);
    return list;
}

static const struct config_choice *new_choice(struct config_load *load,
                                              const struct config_key *key,
                                              const struct config_place *list,
                                              const struct config_place *at)
{
    const struct config_choice *choice = config_want_choice(load, key, at, "");
    if (!choice || !repeated(list, at))
        return choice;
    config_error(load, at, "\"%s\" is already in the list", choice->name);
    return NULL;
}

void config_read_enum_list(struct config_load *load, const struct config_key *key,
                           const struct config_place *at, void *object)
{
    size_t n = json_array_size(at->value);
    if (!json_is_array(at->value) || n < key->min) {
        const struct config_choice *choice =
            config_want_choice(load, key, at, ", or a list of them");
        if (choice)
            config_store_element(key, object, 0, choice->value);
        return;
    }
    size_t kept = 0;
    struct config_place element;
    for (size_t i = 0; i < n && config_place_element(load, at, i, &element); i++) {
        const struct config_choice *choice = new_choice(load, key, at, &element);
        if (choice)
            config_store_element(key, object, kept++, choice->value);
    }
    config_store_count(key, object, kept);
}

void config_read_enum_set(struct config_load *load, const struct config_key *key,
                          const struct config_place *at, void *object)
{
    uint32_t set = 0;
    struct config_place element;
    if (!json_is_array(at->value)) {
        struct config_text rule = {.bytes = "a list of ", .n = strlen("a list of ")};
        config_put_choices(key, &rule);
        config_want(load, at, rule.bytes);
        return;
    }
    for (size_t i = 0; config_place_element(load, at, i, &element); i++) {
        const struct config_choice *choice = new_choice(load, key, at, &element);
        set |= choice ? choice->value : 0;
    }
    config_store_number(key, object, set);
}

void config_read_string_list(struct config_load *load, const struct config_key *key,
                             const struct config_place *at, void *object)
{
    size_t n = config_place_items(at);
    if (!config_want_count(load, key, at, "strings"))
        return;
    char **list = config_begin_list(load, key, object, n, sizeof *list);
    struct config_place element;
    for (size_t i = 0; list && i < n && config_place_item(load, at, i, &element); i++) {
        list[i] = config_make_text(load, key, key->element, &element);
        config_store_count(key, object, i + 1);
    }
}

/* Append the integer at `at` to list[0..*n). Report duplicates by value, such as 3 and 3.0. */
static void add_integer(struct config_load *load, const struct config_key *key,
                        const struct config_place *at, uint32_t *list, size_t *n)
{
    uint32_t value;
    if (!config_want_integer(load, key, at, &value))
        return;
    for (size_t i = 0; i < *n; i++) {
        if (list[i] != value)
            continue;
        config_error(load, at, "%" PRIu32 " is already in the list", value);
        return;
    }
    list[(*n)++] = value;
}

void config_read_integer_list(struct config_load *load, const struct config_key *key,
                              const struct config_place *at, void *object)
{
    size_t n = config_place_items(at);
    if (!config_want_count(load, key, at, "integers"))
        return;
    uint32_t *list = config_begin_list(load, key, object, n, sizeof *list);
    size_t kept = 0;
    struct config_place element;
    for (size_t i = 0; list && i < n && config_place_item(load, at, i, &element); i++)
        add_integer(load, key, &element, list, &kept);
    if (list)
        config_store_count(key, object, kept);
}

static bool want_network(struct config_load *load, const struct config_place *at,
                         struct cidr *network)
{
    const char *text = config_plain_text(at->value);
    if (text && cidr_parse(text, network))
        return true;
    if (text && cidr_has_host_bits(text))
        config_want(load, at, "a network with no bits set after the prefix");
    else
        config_want(load, at,
                    "an address or a network (\"192.0.2.1\", \"10.0.0.0/8\", \"2001:db8::/32\")");
    return false;
}

void config_read_network_list(struct config_load *load, const struct config_key *key,
                              const struct config_place *at, void *object)
{
    size_t n = config_place_items(at);
    if (!config_want_count(load, key, at, "networks"))
        return;
    struct cidr *list = config_begin_list(load, key, object, n, sizeof *list);
    size_t kept = 0;
    struct config_place element;
    for (size_t i = 0; list && i < n && config_place_item(load, at, i, &element); i++)
        kept += want_network(load, &element, &list[kept]);
    if (list)
        config_store_count(key, object, kept);
}
