/*
 * text.h - format values and tables for a terminal.
 *
 * Texts can come from devices and files, so they are escaped and truncated ("...") as in the log.
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/util.h"

/* Return a member of an object; null or 0 if it is missing or has another type. */
const char *member_string(const json_t *object, const char *key);
int64_t member_number(const json_t *object, const char *key);

#define FORMAT_MAX 32u

/* Format as "17 B" or "1.5 MiB". Returns out. */
const char *format_bytes(int64_t bytes, char out[FORMAT_MAX]);
/* Format as "17 s", "4 min", "3 h 5 min" or "2 d 3 h". Returns out. */
const char *format_duration(int64_t seconds, char out[FORMAT_MAX]);
/* Format as "33.3 %". Returns out. */
const char *format_permille(int64_t permille, char out[FORMAT_MAX]);

/* A table, filled cell by cell from left to right. table_end() reports lack of memory. */
struct table;

/*
 * Create a table; null if out of memory.
 *
 *   titles   one per column, null-terminated, borrowed; a leading ">" means right-aligned
 */
MUST_USE struct table *table_new(const char *const *titles);
void table_free(struct table *table); /* null is allowed */

/* Add the next cell: escaped, "-" for null or "". A null table is allowed. */
void table_text(struct table *table, const char *text);
void table_number(struct table *table, int64_t number);

/* Print and free the table. Returns false and prints an error if out of memory or table is null. */
MUST_USE bool table_end(struct table *table, FILE *out, FILE *err);

#endif
