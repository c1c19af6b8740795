/*
 * lines.c - find the line of each value in a JSON text.
 *
 * One pass over the text, without recursion: the entries' links to their parents are used as the
 * stack. Does not validate, because jansson has done so. For an invalid text the map is useless,
 * but making it is safe.
 */
#include "lines.h"

#include <stdlib.h>
#include <string.h>

#define NO_ENTRY UINT32_MAX

struct scan {
    struct config_lines *lines;
    const char *p;
    const char *end;
    uint32_t line;
    uint32_t around; /* entry of the innermost open array or object, or NO_ENTRY */
    uint32_t key;    /* entry of a key whose value has not been reached, or NO_ENTRY */
};

static bool add_entry(struct scan *scan, uint32_t *entry)
{
    struct config_lines *lines = scan->lines;
    if (lines->n == lines->room) {
        uint32_t room = lines->room ? lines->room * 2 : 64;
        struct config_line *list = realloc(lines->list, room * sizeof *list);
        if (!list)
            return false;
        lines->list = list;
        lines->room = room;
    }
    *entry = lines->n++;
    lines->list[*entry] =
        (struct config_line){.line = scan->line, .parent = scan->around, .next = lines->n};
    return true;
}

/* Return the entry of the value that begins here. A member's entry was added with its key. */
static bool begin_value(struct scan *scan, uint32_t *entry)
{
    if (scan->key == NO_ENTRY)
        return add_entry(scan, entry);
    *entry = scan->key;
    scan->key = NO_ENTRY;
    return true;
}

static bool open_container(struct scan *scan)
{
    uint32_t entry;
    if (!begin_value(scan, &entry))
        return false;
    scan->lines->list[entry].object = *scan->p == '{';
    scan->around = entry;
    scan->p++;
    return true;
}

static void close_container(struct scan *scan)
{
    scan->p++;
    scan->key = NO_ENTRY;
    if (scan->around == NO_ENTRY)
        return; /* more closed than opened: not valid JSON */
    struct config_line *line = &scan->lines->list[scan->around];
    line->next = scan->lines->n;
    scan->around = line->parent;
}

static void skip_string(struct scan *scan)
{
    for (scan->p++; scan->p < scan->end && *scan->p != '"'; scan->p++) {
        if (*scan->p == '\\' && scan->end - scan->p > 1)
            scan->p++;
        if (*scan->p == '\n')
            scan->line++;
    }
    if (scan->p < scan->end)
        scan->p++;
}

static bool string(struct scan *scan)
{
    uint32_t entry;
    bool is_key =
        scan->around != NO_ENTRY && scan->lines->list[scan->around].object && scan->key == NO_ENTRY;
    if (!begin_value(scan, &entry))
        return false;
    if (is_key)
        scan->key = entry;
    skip_string(scan);
    return true;
}

/* Skip a number, true, false or null. */
static bool bare_word(struct scan *scan)
{
    uint32_t entry;
    if (!begin_value(scan, &entry))
        return false;
    while (scan->p < scan->end && !strchr(" \t\r\n,:[]{}\"", *scan->p))
        scan->p++;
    return true;
}

static bool token(struct scan *scan)
{
    switch (*scan->p) {
    case '\n':
        scan->line++;
        scan->p++;
        return true;
    case ' ':
    case '\t':
    case '\r':
    case ',':
    case ':':
    case '\0': /* strchr() finds it in any string, so bare_word() would not advance */
        scan->p++;
        return true;
    case '{':
    case '[':
        return open_container(scan);
    case '}':
    case ']':
        close_container(scan);
        return true;
    case '"':
        return string(scan);
    default:
        return bare_word(scan);
    }
}

bool config_lines_init(struct config_lines *lines, const char *text, size_t n)
{
    struct scan scan = {
        .lines = lines, .p = text, .end = text + n, .line = 1, .around = NO_ENTRY, .key = NO_ENTRY};
    *lines = (struct config_lines){0};
    while (scan.p < scan.end) {
        if (!token(&scan))
            return false;
    }
    return true;
}

void config_lines_fini(struct config_lines *lines)
{
    free(lines->list);
    *lines = (struct config_lines){0};
}

uint32_t config_lines_first(uint32_t entry)
{
    return entry + 1;
}

uint32_t config_lines_next(const struct config_lines *lines, uint32_t entry)
{
    return entry < lines->n ? lines->list[entry].next : entry;
}

uint32_t config_lines_line(const struct config_lines *lines, uint32_t entry)
{
    return entry < lines->n ? lines->list[entry].line : 0;
}
