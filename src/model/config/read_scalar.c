/*
 * read_scalar.c - read one string, boolean, number or enum value into its field.
 *
 * A reader reports an invalid value and leaves the field at its default, so that the rest of the
 * file is read, and all errors are found.
 */
#include "read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

void config_read_string(struct config_load *load, const struct config_key *key,
                        const struct config_place *at, void *object)
{
    char *text = config_make_text(load, key, key->kind, at);
    if (!text)
        return;
    free(config_pointer(key, object));
    config_store_pointer(key, object, text);
}

/* config_check_whole() looks up the name, after all clusters have been read. */
void config_read_cluster(struct config_load *load, const struct config_key *key,
                         const struct config_place *at, void *object)
{
    (void)object;
    (void)config_want_text(load, key, at);
}

void config_read_bool(struct config_load *load, const struct config_key *key,
                      const struct config_place *at, void *object)
{
    if (json_is_boolean(at->value))
        config_store_number(key, object, json_is_true(at->value));
    else
        config_want(load, at, "true or false");
}

/* JSON has only one type of numbers: as in JSON Schema, 3000.0 is an integer. */
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

void config_read_integer(struct config_load *load, const struct config_key *key,
                         const struct config_place *at, void *object)
{
    uint32_t value;
    if (config_want_integer(load, key, at, &value))
        config_store_number(key, object, value);
}

void config_read_factor(struct config_load *load, const struct config_key *key,
                        const struct config_place *at, void *object)
{
    double thousandths = json_number_value(at->value) * 1000; /* 0 if it is not a number */
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

void config_read_enum(struct config_load *load, const struct config_key *key,
                      const struct config_place *at, void *object)
{
    const struct config_choice *choice = config_want_choice(load, key, at, "");
    if (choice)
        config_store_number(key, object, choice->value);
}
