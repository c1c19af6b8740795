/*
 * dump.c - write a configuration as JSON, using the table rows in keys/.
 *
 * A value outside of its row's range, such as 0 workers or NODE_AS_DEFAULT, means that the key is
 * not set. Such keys are left out.
 */
#include "model/config/dump.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cidr.h"
#include "store.h"
#include "table.h"

#define FACTOR_ONE 1000.0

static json_t *dump_object(const struct config *config, const struct config_table *table,
                           const void *object);

static uint32_t number(const struct config_key *key, const void *object)
{
    uint32_t value = 0;
    memcpy(&value, (const char *)object + key->offset, key->size < 4 ? key->size : 4);
    return value;
}

static const void *field(const struct config_key *key, const void *object)
{
    return (const char *)object + key->offset;
}

static json_t *dump_text(const char *text)
{
    return text ? json_string(text) : NULL;
}

static json_t *dump_enum(const struct config_key *key, uint32_t value)
{
    for (size_t i = 0; i < key->n_choices; i++)
        if (key->choices[i].value == value)
            return json_string(key->choices[i].name);
    return NULL;
}

static json_t *dump_integer(const struct config_key *key, uint32_t value)
{
    return value >= key->min && value <= key->max ? json_integer(value) : NULL;
}

static json_t *dump_factor(const struct config_key *key, uint32_t value)
{
    return value >= key->min && value <= key->max ? json_real(value / FACTOR_ONE) : NULL;
}

static json_t *dump_network(const struct cidr *network)
{
    char ip[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 8];
    if (!inet_ntop(network->is_ipv6 ? AF_INET6 : AF_INET, network->ip, ip, sizeof(ip)))
        return NULL;
    (void)snprintf(text, sizeof(text), "%s/%u", ip, network->bits);
    return json_string(text);
}

/* ---- lists ---- */

static json_t *dump_choices(const struct config_key *key, const void *object)
{
    json_t *list = json_array();
    const size_t n = config_count(key, object);
    for (size_t i = 0; i < n; i++) {
        uint32_t value;
        memcpy(&value, (const char *)field(key, object) + i * sizeof(value), sizeof(value));
        json_array_append_new(list, dump_enum(key, value));
    }
    return list;
}

static json_t *dump_set(const struct config_key *key, uint32_t set)
{
    json_t *list = json_array();
    for (size_t i = 0; i < key->n_choices; i++)
        if (set & key->choices[i].value)
            json_array_append_new(list, json_string(key->choices[i].name));
    return list;
}

/* Dump a list that is stored as a pointer to an array. Returns null if the pointer is null. */
static json_t *dump_list(const struct config *config, const struct config_key *key,
                         const void *object)
{
    const char *list = config_pointer(key, object);
    const size_t n = config_count(key, object);
    json_t *out = list ? json_array() : NULL;
    for (size_t i = 0; list && i < n; i++) {
        json_t *element;
        if (key->kind == KEY_STRING_LIST)
            element = dump_text(((char *const *)(const void *)list)[i]);
        else if (key->kind == KEY_INTEGER_LIST)
            element = json_integer(((const uint32_t *)(const void *)list)[i]);
        else if (key->kind == KEY_NETWORK_LIST)
            element = dump_network(&((const struct cidr *)(const void *)list)[i]);
        else
            element = dump_object(config, key->table, list + i * key->table->struct_size);
        json_array_append_new(out, element);
    }
    return out;
}

/* ---- any value ---- */

static json_t *dump_false_or_object(const struct config *config, const struct config_key *key,
                                    const void *object)
{
    bool off;
    memcpy(&off, field(key, object), sizeof(off));
    return off ? json_false() : dump_object(config, key->table, object);
}

static json_t *dump_optional(const struct config *config, const struct config_key *key,
                             const void *object)
{
    const void *inner = config_pointer(key, object);
    if (inner)
        return dump_object(config, key->table, inner);
    return key->off_allowed ? json_false() : NULL;
}

static json_t *dump_cluster(const struct config *config, const struct config_key *key,
                            const void *object)
{
    size_t index;
    memcpy(&index, field(key, object), sizeof(index));
    return json_string(config->clusters[index].name);
}

/* Returns null if the key is not set. */
static json_t *dump_value(const struct config *config, const struct config_key *key,
                          const void *object)
{
    switch (key->kind) {
    case KEY_STRING:
    case KEY_FILE:
    case KEY_LISTEN_ADDRESS:
    case KEY_NODE_ADDRESS:
    case KEY_SERVER_ADDRESS:
        return dump_text(config_pointer(key, object));
    case KEY_BOOL:
        return json_boolean(number(key, object));
    case KEY_INTEGER:
        return dump_integer(key, number(key, object));
    case KEY_FACTOR:
        return dump_factor(key, number(key, object));
    case KEY_ENUM:
        return dump_enum(key, number(key, object));
    case KEY_ENUM_LIST:
        return dump_choices(key, object);
    case KEY_ENUM_SET:
        return dump_set(key, number(key, object));
    case KEY_CLUSTER:
        return dump_cluster(config, key, object);
    case KEY_OBJECT:
        return dump_object(config, key->table, field(key, object));
    case KEY_OPTIONAL_OBJECT:
        return dump_optional(config, key, object);
    case KEY_FALSE_OR_OBJECT:
        return dump_false_or_object(config, key, object);
    default:
        return dump_list(config, key, object);
    }
}

static json_t *dump_object(const struct config *config, const struct config_table *table,
                           const void *object)
{
    json_t *out = json_object();
    for (size_t i = 0; i < table->n_keys; i++) {
        json_t *value = dump_value(config, &table->keys[i], object);
        if (value)
            json_object_set_new(out, table->keys[i].key, value);
    }
    return out;
}

char *config_dump(const struct config *config)
{
    json_t *out = dump_object(config, &config_top_table, config);
    char *text = json_dumps(out, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    json_decref(out);
    return text;
}
