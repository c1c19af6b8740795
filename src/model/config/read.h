/*
 * read.h - what the readers of single values and the readers of lists share.
 *
 * Each says what is wrong with a value that it does not like; the caller says nothing more.
 */
#ifndef MODEL_CONFIG_READ_H
#define MODEL_CONFIG_READ_H

#include <jansson.h>
#include <stdbool.h>

#include "base/util.h"
#include "load.h"
#include "message.h"
#include "table.h"

/* A value, its row, and the struct that the row's field is in. */
typedef void config_reader(struct config_load *load, const struct config_key *key,
                           const struct config_place *at, void *object);

config_reader config_read_string;
config_reader config_read_cluster; /* only its type: the name is resolved by config_check_whole() */
config_reader config_read_bool;
config_reader config_read_integer;
config_reader config_read_factor;
config_reader config_read_enum;
config_reader config_read_string_list;
config_reader config_read_integer_list;
config_reader config_read_network_list;
config_reader config_read_enum_list;
config_reader config_read_enum_set;

/* The value as a C string; null when it is no text, or has a NUL and would be cut by it. */
const char *config_plain_text(const json_t *value);

/* The checked text of a row of that kind, with its path resolved; null = none, owned else. */
MUST_USE char *config_make_text(struct config_load *load, const struct config_key *key,
                                enum config_kind kind, const struct config_place *at);

/* Whether it is text of min..max bytes and of the row's shape. */
bool config_want_text(struct config_load *load, const struct config_key *key,
                      const struct config_place *at);

/* Whether it is an integer of the row's range; *out untouched unless. */
MUST_USE bool config_want_integer(struct config_load *load, const struct config_key *key,
                                  const struct config_place *at, uint32_t *out);

/* Report a list with fewer or more elements than the row allows; `what` names them. */
MUST_USE bool config_want_count(struct config_load *load, const struct config_key *key,
                                const struct config_place *at, const char *what);
/* A zeroed list of n elements in the field, in place of its old one; its count is still 0. */
void *config_begin_list(struct config_load *load, const struct config_key *key, void *object,
                        size_t n, size_t size);

/* The word of a row that a value is; null = none. */
const struct config_choice *config_find_choice(const struct config_key *key, const json_t *value);
/* The same, and a message unless it is one: `want "a", "b" or "c"OR_ELSE`. */
const struct config_choice *config_want_choice(struct config_load *load,
                                               const struct config_key *key,
                                               const struct config_place *at, const char *or_else);
/* "a", "b" or "c" */
void config_put_choices(const struct config_key *key, struct config_text *text);

#endif
