/*
 * lines.h - find the line of each value in a JSON text.
 *
 * jansson reports the line of a syntax error, but not the lines of values. This map has one entry
 * per value, in the order of the text. jansson keeps this order too, so both can be iterated
 * together.
 */
#ifndef MODEL_CONFIG_LINES_H
#define MODEL_CONFIG_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

/* The entry of a value. Entry 0 is the whole text. */
struct config_line {
    uint32_t line;   /* line of the value, or of its key in an object; from 1 */
    uint32_t parent; /* entry of the enclosing array or object */
    uint32_t next;   /* the entry after this value and its contents */
    bool object;     /* its members have keys */
};

struct config_lines {
    struct config_line *list;
    uint32_t n;
    uint32_t room;
};

/*
 * Make the map of a text that jansson has accepted without duplicate keys.
 *
 *   text, n    n at most CONFIG_FILE_MAX
 *
 * Returns false if out of memory; call config_lines_fini() in any case. Safe for any text, but
 * useful only for a valid one. Not recursive, so any nesting depth is safe.
 */
MUST_USE bool config_lines_init(struct config_lines *lines, const char *text, size_t n);
void config_lines_fini(struct config_lines *lines);

/* Return the first member or element of an object or array, which must not be empty. */
uint32_t config_lines_first(uint32_t entry);
/* Return the next member or element after `entry`, which must not be the last one. */
uint32_t config_lines_next(const struct config_lines *lines, uint32_t entry);
/* Return the line of an entry, or 0 if there is no such entry. */
uint32_t config_lines_line(const struct config_lines *lines, uint32_t entry);

#endif
