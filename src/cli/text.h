/*
 * text.h - format values and tables for a terminal.
 *
 * Texts come from devices and files: they are escaped and truncated ("...") as in the log.
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/util.h"

/* A member of an object; null or 0 if it is missing or has another type. */
const char *member_string(const json_t *object, const char *key);
int64_t member_number(const json_t *object, const char *key);

#define FORMAT_MAX 32u

/* "17 B", "1.5 MiB". Returns out. */
const char *format_bytes(int64_t bytes, char out[FORMAT_MAX]);
/* "17 s", "4 min", "3 h 5 min", "2 d 3 h". Returns out. */
const char *format_duration(int64_t seconds, char out[FORMAT_MAX]);
/* "33.3 %". Returns out. */
const char *format_permille(int64_t permille, char out[FORMAT_MAX]);

/* A table is filled cell by cell, from left to right. Out of memory is reported by table_end(). */
struct table;

/*
 * titles   one per column, null-terminated, borrowed; ">" at the start aligns the column to the
 * right
 */
MUST_USE struct table *table_new(const char *const *titles);
void table_free(struct table *table); /* null is allowed */

/* Add the next cell: escaped, "-" for null or "". A null table is allowed. */
void table_text(struct table *table, const char *text);
void table_number(struct table *table, int64_t number);

/* Print and free it. False, with an error on err: out of memory, also if table is null. */
MUST_USE bool table_end(struct table *table, FILE *out, FILE *err);

#endif
