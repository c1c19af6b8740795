/*
 * read.h - the readers of single values and of lists.
 *
 * A reader reports an invalid value; its caller reports nothing more.
 */
#ifndef MODEL_CONFIG_READ_H
#define MODEL_CONFIG_READ_H

#include <jansson.h>
#include <stdbool.h>

#include "base/util.h"
#include "load.h"
#include "message.h"
#include "table.h"

/* Read the value at `at` into the field of `object` that the row `key` describes. */
typedef void config_reader(struct config_load *load, const struct config_key *key,
                           const struct config_place *at, void *object);

config_reader config_read_string;
config_reader config_read_cluster; /* checks the type; config_check_whole() resolves the name */
config_reader config_read_bool;
config_reader config_read_integer;
config_reader config_read_factor;
config_reader config_read_enum;
config_reader config_read_string_list;
config_reader config_read_integer_list;
config_reader config_read_network_list;
config_reader config_read_enum_list;
config_reader config_read_enum_set;

/* Return the value as a C string, or null if it is not a string or contains a NUL byte. */
const char *config_plain_text(const json_t *value);

/* Check a string of this kind, and resolve its path. Returns an owned copy, or null if invalid. */
MUST_USE char *config_make_text(struct config_load *load, const struct config_key *key,
                                enum config_kind kind, const struct config_place *at);

/* Check that the value is a string with the row's length and shape. */
bool config_want_text(struct config_load *load, const struct config_key *key,
                      const struct config_place *at);

/* Check that the value is an integer in the row's range. If not, *out is untouched. */
MUST_USE bool config_want_integer(struct config_load *load, const struct config_key *key,
                                  const struct config_place *at, uint32_t *out);

/* Check the number of elements of a list. `what` is their name in messages. */
MUST_USE bool config_want_count(struct config_load *load, const struct config_key *key,
                                const struct config_place *at, const char *what);
/* Replace the list in the field by a zeroed one for n elements. Its count is 0. */
void *config_begin_list(struct config_load *load, const struct config_key *key, void *object,
                        size_t n, size_t size);

/* Return the row's choice with this value as its name, or null. */
const struct config_choice *config_find_choice(const struct config_key *key, const json_t *value);
/* The same, but report other values: `must be "a", "b" or "c"OR_ELSE, got VALUE`. */
const struct config_choice *config_want_choice(struct config_load *load,
                                               const struct config_key *key,
                                               const struct config_place *at, const char *or_else);
/* Append the row's choices: "a", "b" or "c". */
void config_put_choices(const struct config_key *key, struct config_text *text);

#endif
