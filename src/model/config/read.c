/*
 * read.c - read one JSON value into one field, by its row of config_keys.h.
 *
 * One reader a kind of key. A reader that does not like its value says so and leaves the
 * field at its default, so that the walk goes on and finds everything that is wrong.
 */
#include "read.h"

#include <inttypes.h>
#include <stdlib.h>

#include "store.h"

/* ---- text ---------------------------------------------------------------------------- */

/* A text that is wrong leaves the default: the whole is refused, but goes on being read. */
static void read_text(struct config_load *load, const struct config_key *key,
                      const struct config_place *at, void *object)
{
    char *text = config_make_text(load, key, key->kind, at);
    if (!text)
        return;
    free(config_pointer(key, object));
    config_store_pointer(key, object, text);
}

/* The name is looked up by config_check_whole(), when all clusters are known. */
static void read_cluster(struct config_load *load, const struct config_key *key,
                         const struct config_place *at, void *object)
{
    (void)object;
    (void)config_want_text(load, key, at);
}

/* ---- numbers and words --------------------------------------------------------------- */

static void read_bool(struct config_load *load, const struct config_key *key,
                      const struct config_place *at, void *object)
{
    if (json_is_boolean(at->value))
        config_store_number(key, object, json_is_true(at->value));
    else
        config_want(load, at, "true or false");
}

/* JSON has one type of numbers: 3000.0 is the integer 3000, as in JSON Schema. */
static bool integer_of(const json_t *value, int64_t *out)
{
    if (json_is_real(value))
        return exact_integer(json_real_value(value), out);
    *out = json_integer_value(value);
    return json_is_integer(value);
}

bool config_want_integer(struct config_load *load, const struct config_key *key,
                         const struct config_place *at, uint32_t *out)
{
    int64_t value;
    if (integer_of(at->value, &value) && value >= key->min && value <= key->max) {
        *out = (uint32_t)value;
        return true;
    }
    struct config_text rule = {0};
    config_text_put(&rule, "an integer in %" PRIu32 "..%" PRIu32, key->min, key->max);
    config_want(load, at, rule.bytes);
    return false;
}

static void read_integer(struct config_load *load, const struct config_key *key,
                         const struct config_place *at, void *object)
{
    uint32_t value;
    if (config_want_integer(load, key, at, &value))
        config_store_number(key, object, value);
}

static void read_factor(struct config_load *load, const struct config_key *key,
                        const struct config_place *at, void *object)
{
    double thousandths = json_number_value(at->value) * 1000; /* 0 for what is no number */
    if (thousandths >= key->min && thousandths <= key->max) {
        config_store_number(key, object, (uint32_t)(thousandths + 0.5));
        return;
    }
    struct config_text rule = {0};
    config_text_put(&rule, "a number in %g..%g", key->min / 1000.0, key->max / 1000.0);
    config_want(load, at, rule.bytes);
}

const struct config_choice *config_find_choice(const struct config_key *key, const json_t *value)
{
    const char *text = config_plain_text(value);
    for (size_t i = 0; text && i < key->n_choices; i++) {
        if (strcmp(key->choices[i].name, text) == 0)
            return &key->choices[i];
    }
    return NULL;
}

void config_put_choices(const struct config_key *key, struct config_text *text)
{
    for (size_t i = 0; i < key->n_choices; i++) {
        const char *join = i == 0 ? "" : i + 1 < key->n_choices ? ", " : " or ";
        config_text_put(text, "%s\"%s\"", join, key->choices[i].name);
    }
}

const struct config_choice *config_want_choice(struct config_load *load,
                                               const struct config_key *key,
                                               const struct config_place *at, const char *or_else)
{
    const struct config_choice *choice = config_find_choice(key, at->value);
    if (!choice) {
        struct config_text rule = {0};
        config_put_choices(key, &rule);
        config_text_put(&rule, "%s", or_else);
        config_want(load, at, rule.bytes);
    }
    return choice;
}

static void read_enum(struct config_load *load, const struct config_key *key,
                      const struct config_place *at, void *object)
{
    const struct config_choice *choice = config_want_choice(load, key, at, "");
    if (choice)
        config_store_number(key, object, choice->value);
}

/* ---- objects and lists --------------------------------------------------------------- */

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

/* `false` is a choice of its own; the keys of an object are fields of the same struct. */
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

static config_reader *const reader[] = {
    [KEY_STRING] = read_text,
    [KEY_FILE] = read_text,
    [KEY_LISTEN_ADDRESS] = read_text,
    [KEY_NODE_ADDRESS] = read_text,
    [KEY_SERVER_ADDRESS] = read_text,
    [KEY_STRING_LIST] = config_read_string_list,
    [KEY_NETWORK_LIST] = config_read_network_list,
    [KEY_BOOL] = read_bool,
    [KEY_INTEGER] = read_integer,
    [KEY_INTEGER_LIST] = config_read_integer_list,
    [KEY_FACTOR] = read_factor,
    [KEY_ENUM] = read_enum,
    [KEY_ENUM_LIST] = config_read_enum_list,
    [KEY_ENUM_SET] = config_read_enum_set,
    [KEY_CLUSTER] = read_cluster,
    [KEY_OBJECT] = read_object,
    [KEY_OPTIONAL_OBJECT] = read_optional,
    [KEY_FALSE_OR_OBJECT] = read_false_or_object,
    [KEY_LIST] = config_read_list,
    [KEY_SHORTHAND_LIST] = config_read_shorthand_list,
};
_Static_assert(ARRAY_LEN(reader) == CONFIG_KIND_COUNT, "every kind of key has a reader");

void config_read_value(struct config_load *load, const struct config_key *key,
                       const struct config_place *at, void *object)
{
    reader[key->kind](load, key, at, object);
}
