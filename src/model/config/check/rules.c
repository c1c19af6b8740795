/*
 * rules.c - check rules that several objects share: unique values, required keys, socket keys.
 */
#include <string.h>

#include "check.h"
#include "model/config/address.h"
#include "model/config/message.h"
#include "model/config/store.h"

static bool same(const struct config_key *key, const char *a, const char *b)
{
    if (!a || !b)
        return false;
    return key->kind == KEY_STRING ? strcmp(a, b) == 0 : config_address_equal(a, b);
}

/* Return the key's string in element i. */
static const char *text_of(const char *list, size_t i, const struct config_table *table,
                           const struct config_key *key)
{
    return config_pointer(key, list + i * table->struct_size);
}

/* Report the element if an earlier one has the same string for this key. */
static void check_element(struct config_load *load, const struct config_table *table,
                          const struct config_key *key, const char *list,
                          const struct config_place *element)
{
    char got[CONFIG_GOT_MAX];
    struct config_place field;
    const char *text = text_of(list, element->index, table, key);
    for (size_t j = 0; text && j < element->index; j++) {
        if (!same(key, text, text_of(list, j, table, key)))
            continue;
        if (!config_place_member(load, element, key->key, &field))
            return;
        const char *list_key = element->up->key;
        if (key->unique)
            config_error(load, &field, "%s is already used by %s[%zu]", config_quote(text, got),
                         list_key, j);
        else
            config_warning(load, &field, "%s is also the %s of %s[%zu]", config_quote(text, got),
                           key->key, list_key, j);
        return;
    }
}

void config_check_unique(struct config_load *load, const struct config_key *list,
                         const struct config_place *at, void *object)
{
    const char *elements = config_pointer(list, object);
    struct config_place element;
    for (size_t i = 0; i < list->table->n_keys; i++) {
        const struct config_key *key = &list->table->keys[i];
        if (!key->unique && !key->unique_advised)
            continue;
        for (size_t j = 0; config_place_element(load, at, j, &element); j++)
            check_element(load, list->table, key, elements, &element);
    }
}

void config_want_with(struct config_load *load, const struct config_place *at, const char *key,
                      const char *needed, const char *why)
{
    struct config_place place;
    if (config_has(at, needed) || !config_place_member(load, at, key, &place))
        return;
    config_error(load, &place, "requires \"%s\"%s", needed, why);
}

bool config_listens_on_unix_only(const struct listener_conf *listener)
{
    for (size_t i = 0; i < listener->n_addresses; i++) {
        if (!config_address_unix(listener->addresses[i]))
            return false;
    }
    return listener->n_addresses > 0;
}

void config_check_socket(struct config_load *load, const struct config_place *object, bool unix_one)
{
    static const char *const keys[] = {"socket_mode", "socket_owner", "socket_group"};
    struct config_place at;
    for (size_t i = 0; !unix_one && i < ARRAY_LEN(keys); i++)
        if (config_place_member(load, object, keys[i], &at))
            config_warning(load, &at, "has no effect without a Unix socket");
}
