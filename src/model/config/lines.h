/*
 * lines.h - on which line each value of a JSON text stands.
 *
 * jansson says where a text is malformed, but forgets where its values were. This map
 * remembers: one entry a value, in the order of the text, so that whoever walks jansson's
 * values (which keep that order) walks the entries in step and needs no key to find them.
 */
#ifndef MODEL_CONFIG_LINES_H
#define MODEL_CONFIG_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

/* A value; for a member of an object, the line of its key. Entry 0 is the whole text. */
struct config_line {
    uint32_t line;   /* from 1 */
    uint32_t parent; /* entry of the array or object around it */
    uint32_t next;   /* the entry after this one and all that is inside it */
    bool object;     /* its members have keys */
};

struct config_lines {
    struct config_line *list;
    uint32_t n;
    uint32_t room;
};

/*
 * Map a text that jansson has accepted without duplicate keys.
 *
 *   text, n    n at most CONFIG_FILE_MAX
 *
 * False when memory is short; *lines needs config_lines_fini() in any case. Safe on every
 * text, though of use only for a correct one. Needs no stack, so depth does not matter.
 */
MUST_USE bool config_lines_init(struct config_lines *lines, const char *text, size_t n);
void config_lines_fini(struct config_lines *lines);

/* The first member or element inside `entry`; meaningless when it has none. */
uint32_t config_lines_first(uint32_t entry);
/* The next member or element beside `entry`; meaningless after the last. */
uint32_t config_lines_next(const struct config_lines *lines, uint32_t entry);
/* The line of an entry; 0 for an entry that is not there. */
uint32_t config_lines_line(const struct config_lines *lines, uint32_t entry);

#endif
