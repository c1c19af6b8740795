/*
 * schema.c - print the JSON Schema (draft 2020-12) of the configuration, from the table rows.
 *
 * The schema has the keys with their types, ranges and choices. Rules between keys are checked only
 * by the loader (mqtt-router --check).
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/config/config.h"
#include "table.h"

static json_t *object_schema(const struct config_table *table);

static json_t *enum_schema(const struct config_key *key)
{
    json_t *choices = json_array();
    for (size_t i = 0; i < key->n_choices; i++)
        json_array_append_new(choices, json_string(key->choices[i].name));
    return json_pack("{s:o}", "enum", choices);
}

static json_t *text_schema(const struct config_key *key, enum config_kind kind)
{
    json_t *out = json_pack("{s:s}", "type", "string");
    const uint32_t max = key->shape ? key->shape->max : key->max;
    if (kind != KEY_STRING || max == 0)
        return out;
    json_object_set_new(out, "minLength", json_integer(1));
    json_object_set_new(out, "maxLength",
                        json_integer(max)); /* the row limits bytes, the schema characters */
    return out;
}

static json_t *integer_schema(const struct config_key *key)
{
    return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)key->min,
                     "maximum", (json_int_t)key->max);
}

static json_t *list_schema(json_t *items, uint32_t min, uint32_t max)
{
    return json_pack("{s:s, s:o, s:I, s:I}", "type", "array", "items", items, "minItems",
                     (json_int_t)min, "maxItems", (json_int_t)max);
}

static json_t *either(json_t *a, json_t *b)
{
    return json_pack("{s:[o, o]}", "anyOf", a, b);
}

/* A single value, or a list of such values. */
static json_t *one_or_list(json_t *one, uint32_t min, uint32_t max)
{
    json_t *list = list_schema(json_deep_copy(one), min, max);
    return either(one, list);
}

static json_t *false_or(json_t *schema)
{
    return either(json_pack("{s:b}", "const", 0), schema);
}

static json_t *network_schema(void)
{
    return json_pack("{s:s}", "type", "string");
}

static json_t *short_schema(const struct config_key *key)
{
    return one_or_list(either(enum_schema(&key->table->keys[0]), object_schema(key->table)),
                       key->min, key->max);
}

static json_t *value_schema(const struct config_key *key)
{
    switch (key->kind) {
    case KEY_STRING:
    case KEY_FILE:
    case KEY_LISTEN_ADDRESS:
    case KEY_NODE_ADDRESS:
    case KEY_SERVER_ADDRESS:
    case KEY_CLUSTER:
        return text_schema(key, key->kind);
    case KEY_STRING_LIST:
        return one_or_list(text_schema(key, key->element), key->min, key->max);
    case KEY_NETWORK_LIST:
        return one_or_list(network_schema(), key->min, key->max);
    case KEY_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case KEY_INTEGER:
        return integer_schema(key);
    case KEY_INTEGER_LIST:
        return one_or_list(integer_schema(key), key->count_min, key->count_max);
    case KEY_FACTOR:
        return json_pack("{s:s, s:f, s:f}", "type", "number", "minimum", key->min / 1000.0,
                         "maximum", key->max / 1000.0);
    case KEY_ENUM:
        return enum_schema(key);
    case KEY_ENUM_LIST:
        return one_or_list(enum_schema(key), key->min, (uint32_t)key->n_choices);
    case KEY_ENUM_SET:
        return list_schema(enum_schema(key), 0, (uint32_t)key->n_choices);
    case KEY_OBJECT:
        return object_schema(key->table);
    case KEY_OPTIONAL_OBJECT:
        return key->off_allowed ? false_or(object_schema(key->table)) : object_schema(key->table);
    case KEY_FALSE_OR_OBJECT:
        return false_or(object_schema(key->table));
    case KEY_LIST:
        return list_schema(object_schema(key->table), key->min, key->max);
    case KEY_SHORTHAND_LIST:
        return short_schema(key);
    case CONFIG_KIND_COUNT:
        break;
    }
    return json_object();
}

static void add_default(json_t *schema, const struct config_key *key)
{
    if (key->required || key->default_text)
        return;
    if (key->kind == KEY_INTEGER)
        json_object_set_new(schema, "default", json_integer(key->default_value));
    else if (key->kind == KEY_BOOL)
        json_object_set_new(schema, "default", json_boolean(key->default_value));
    else if (key->default_string)
        json_object_set_new(schema, "default", json_string(key->default_string));
    for (size_t i = 0; key->kind == KEY_ENUM && i < key->n_choices; i++)
        if (key->choices[i].value == key->default_value)
            json_object_set_new(schema, "default", json_string(key->choices[i].name));
}

static json_t *object_schema(const struct config_table *table)
{
    json_t *properties = json_object(), *required = json_array();
    for (size_t i = 0; i < table->n_keys; i++) {
        const struct config_key *key = &table->keys[i];
        json_t *schema = value_schema(key);
        json_object_set_new(schema, "description", json_string(key->help));
        add_default(schema, key);
        json_object_set_new(properties, key->key, schema);
        if (key->required)
            json_array_append_new(required, json_string(key->key));
    }
    return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required",
                     required, "additionalProperties", 0);
}

bool config_schema(FILE *out)
{
    json_t *schema =
        json_pack("{s:s, s:s, s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema",
                  "title", "mqtt-router configuration", "description",
                  "File paths are relative to the directory of the configuration file.");
    json_t *top = object_schema(&config_top_table);
    const bool whole = schema && top && json_object_update(schema, top) == 0 &&
                       json_dumpf(schema, out, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) == 0 &&
                       fputc('\n', out) != EOF;
    json_decref(top);
    json_decref(schema);
    return whole;
}
