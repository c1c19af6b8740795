/*
 * message.c - format the errors and warnings about a configuration.
 *
 * Text from the file is escaped and truncated, because it is printed on terminals, and a file can
 * come from anywhere. MESSAGES_KEPT messages are kept; errors beyond that are only counted.
 */
#include "message.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define MESSAGES_KEPT 1000u
#define MORE          "more messages are not listed"

static void put_v(struct config_text *text, const char *format, va_list args) PRINTF_LIKE(2, 0);
static void put_v(struct config_text *text, const char *format, va_list args)
{
    size_t room = sizeof text->bytes - text->n;
    int n = vsnprintf(text->bytes + text->n, room, format, args);
    if (n > 0)
        text->n += size_min((size_t)n, room - 1);
}

void config_text_put(struct config_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_v(text, format, args);
    va_end(args);
}

/* Write one character to out, which must have room for 6 times n bytes. Escape it if necessary.
 * Returns the number of bytes written. */
static size_t show_character(const char *p, size_t n, bool quoted, char *out)
{
    unsigned char c = (unsigned char)*p;
    if (n == 2 && c == 0xc2 && (unsigned char)p[1] < 0xa0) /* terminals interpret C1 controls too */
        return (size_t)sprintf(out, "\\u%04x", (unsigned)(unsigned char)p[1]);
    if (c < 0x20 || c == 0x7f)
        return (size_t)sprintf(out, "\\u%04x", (unsigned)c);
    if (quoted && (c == '"' || c == '\\'))
        return (size_t)sprintf(out, "\\%c", c);
    memcpy(out, p, n);
    return n;
}

static void show(const char *text, bool quoted, char shown[CONFIG_SHOWN_MAX])
{
    size_t used = 0;
    const char *p = text, *end = text + strlen(text);
    while (p < end) {
        size_t left = (size_t)(end - p);
        int length = utf8_char((const uint8_t *)p, left, left);
        size_t n = length == UTF8_BAD ? 1 : (size_t)length;
        if ((size_t)(p - text) + n > CONFIG_SHOWN_BYTES) {
            memcpy(shown + used, "...", 3);
            used += 3;
            break;
        }
        /* jansson's messages quote the file, and may truncate inside a character */
        used += length == UTF8_BAD ? (size_t)sprintf(shown + used, "\\ufffd")
                                   : show_character(p, n, quoted, shown + used);
        p += n;
    }
    shown[used] = '\0';
}

const char *config_show(const char *text, char shown[CONFIG_SHOWN_MAX])
{
    show(text, false, shown);
    return shown;
}

const char *config_quote(const char *text, char got[CONFIG_GOT_MAX])
{
    char shown[CONFIG_SHOWN_MAX];
    show(text, true, shown);
    snprintf(got, CONFIG_GOT_MAX, "\"%s\"", shown);
    return got;
}

const char *config_got(const json_t *value, char got[CONFIG_GOT_MAX])
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return json_object_size(value) ? "an object" : "an empty object";
    case JSON_ARRAY:
        return json_array_size(value) ? "an array" : "an empty array";
    case JSON_STRING:
        if (json_string_length(value) != strlen(json_string_value(value)))
            return "a string with a NUL byte";
        return config_quote(json_string_value(value), got);
    case JSON_INTEGER:
        snprintf(got, CONFIG_GOT_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return got;
    case JSON_REAL: /* a short form that can be read back exactly, with ".0" if it is an integer */
        snprintf(got, CONFIG_GOT_MAX, "%.15g", json_real_value(value));
        if (strtod(got, NULL) != json_real_value(value))
            snprintf(got, CONFIG_GOT_MAX, "%.17g", json_real_value(value));
        if (!strpbrk(got, ".e"))
            strcat(got, ".0");
        return got;
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    default:
        return "null";
    }
}

void config_path(const struct config_place *at, struct config_text *path)
{
    char shown[CONFIG_SHOWN_MAX];
    if (!at->up)
        return;
    config_path(at->up, path); /* the depth of the tables limits the recursion */
    if (at->key)
        config_text_put(path, "%s%s", path->n ? "." : "", config_show(at->key, shown));
    else
        config_text_put(path, "[%zu]", at->index);
}

static char *compose(const struct config_load *load, uint32_t line, const struct config_text *text)
{
    size_t room = strlen(load->file_name) + sizeof ":4294967295: " + text->n;
    char *whole = malloc(room);
    if (!whole)
        return NULL;
    if (line)
        snprintf(whole, room, "%s:%" PRIu32 ": %s", load->file_name, line, text->bytes);
    else
        snprintf(whole, room, "%s: %s", load->file_name, text->bytes);
    return whole;
}

/* Insert by line, because the checks at the end report lines in any order. */
static bool insert(struct config_messages *messages, struct config_message message)
{
    struct config_message *list =
        reallocarray(messages->list, messages->n + 1, sizeof *messages->list);
    if (!list)
        return false;
    messages->list = list;
    size_t i = messages->n++;
    for (; i > 0 && list[i - 1].line > message.line; i--)
        list[i] = list[i - 1];
    list[i] = message;
    return true;
}

/* If a warning is lost because memory runs out, it is counted as an error. */
static void add(struct config_load *load, bool warning, uint32_t line,
                const struct config_text *text)
{
    static const struct config_text more = {.n = sizeof MORE - 1, .bytes = MORE};
    struct config_messages *messages = load->messages;
    bool full = messages->n == MESSAGES_KEPT;
    if (!warning)
        messages->errors++;
    if (messages->n > MESSAGES_KEPT)
        return;
    struct config_message message = {.warning = warning, .line = line};
    if (full)
        message.line = messages->list[messages->n - 1].line;
    message.text = full ? compose(load, 0, &more) : compose(load, line, text);
    if (message.text && insert(messages, message))
        return;
    free(message.text);
    messages->errors += warning;
}

static void add_at(struct config_load *load, bool warning, const struct config_place *at,
                   const char *format, va_list args) PRINTF_LIKE(4, 0);
static void add_at(struct config_load *load, bool warning, const struct config_place *at,
                   const char *format, va_list args)
{
    struct config_text text = {0};
    config_path(at, &text);
    if (text.n)
        config_text_put(&text, ": ");
    put_v(&text, format, args);
    add(load, warning, config_lines_line(&load->lines, at->entry), &text);
}

void config_error(struct config_load *load, const struct config_place *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_at(load, false, at, format, args);
    va_end(args);
}

void config_warning(struct config_load *load, const struct config_place *at, const char *format,
                    ...)
{
    va_list args;
    va_start(args, format);
    add_at(load, true, at, format, args);
    va_end(args);
}

void config_want(struct config_load *load, const struct config_place *at, const char *rule)
{
    char got[CONFIG_GOT_MAX];
    config_error(load, at, "must be %s, got %s", rule, config_got(at->value, got));
}

void config_fault(struct config_load *load, uint32_t line, const char *format, ...)
{
    struct config_text text = {0};
    va_list args;
    va_start(args, format);
    put_v(&text, format, args);
    va_end(args);
    add(load, false, line, &text);
}

void config_no_memory(struct config_load *load)
{
    if (!load->no_memory)
        config_fault(load, 0, "out of memory");
    load->no_memory = true;
}
