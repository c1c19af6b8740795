/*
 * text.h - answers as text for people: values, tables.
 *
 * Texts come from devices and files; they are shown escaped as in the log, and long ones cut as
 * there ("...").
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/util.h"

/* A member of an object: null or 0 when it is not there, or something else. */
const char *client_word(const json_t *object, const char *key);
int64_t client_number(const json_t *object, const char *key);

#define CLIENT_VALUE_MAX 32u

/* "17 B", "1.5 MiB". Returns out. */
const char *client_bytes(int64_t bytes, char out[CLIENT_VALUE_MAX]);
/* "17 s", "4 min", "3 h 5 min", "2 d 3 h". Returns out. */
const char *client_duration(int64_t seconds, char out[CLIENT_VALUE_MAX]);
/* "33.3 %" of parts in a thousand. Returns out. */
const char *client_share(int64_t permille, char out[CLIENT_VALUE_MAX]);

/* A table is filled cell by cell, from left to right; memory that is short is said at its end. */
struct client_table;

/*
 * titles   one for each column, ended by null, borrowed; a column whose title begins with ">" is of
 *          numbers, at its right side
 */
MUST_USE struct client_table *client_table_new(const char *const *titles);
void client_table_free(struct client_table *table); /* null is allowed */

/* The next cell; escaped; "-" for null or "". A null table is allowed. */
void client_table_text(struct client_table *table, const char *text);
void client_table_number(struct client_table *table, int64_t number);

/* Print and free it. False when memory was short, or `table` is null; said on err. */
MUST_USE bool client_table_end(struct client_table *table, FILE *out, FILE *err);

#endif
