/*
 * message.h - format the errors and warnings about a configuration.
 */
#ifndef MODEL_CONFIG_MESSAGE_H
#define MODEL_CONFIG_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "load.h"

/* Maximum number of bytes of the file that a message quotes. */
#define CONFIG_SHOWN_BYTES 64u
/* Their maximum size with each byte escaped as "\u001b", with "..." and a terminator. */
#define CONFIG_SHOWN_MAX (6u * CONFIG_SHOWN_BYTES + 4u)
/* Their maximum size with quotes too. */
#define CONFIG_GOT_MAX (CONFIG_SHOWN_MAX + 2u)

/* Size of a message without the file name. */
#define CONFIG_MESSAGE_MAX 2048u

/* A buffer for text, which is truncated if it does not fit. */
struct config_text {
    size_t n;
    char bytes[CONFIG_MESSAGE_MAX];
};
void config_text_put(struct config_text *text, const char *format, ...) PRINTF_LIKE(2, 3);

/* Add "FILE:LINE: PATH: TEXT" to the messages, which are sorted by line. */
void config_error(struct config_load *load, const struct config_place *at, const char *format, ...)
    PRINTF_LIKE(3, 4);
void config_warning(struct config_load *load, const struct config_place *at, const char *format,
                    ...) PRINTF_LIKE(3, 4);
/* Add the error "must be RULE, got VALUE" for the value at `at`. */
void config_want(struct config_load *load, const struct config_place *at, const char *rule);
/* Add an error without a path, such as a syntax error; line 0 = none. */
void config_fault(struct config_load *load, uint32_t line, const char *format, ...)
    PRINTF_LIKE(3, 4);
void config_no_memory(struct config_load *load);

/* Format text for a message: escape control characters, and truncate. Returns shown. */
const char *config_show(const char *text, char shown[CONFIG_SHOWN_MAX]);
/* Like config_show(), but in quotes, with quotes in the text escaped. Returns got. */
const char *config_quote(const char *text, char got[CONFIG_GOT_MAX]);
/* Format a value for a message: 15, "15s", an array. Returns got or a constant string. */
const char *config_got(const json_t *value, char got[CONFIG_GOT_MAX]);
/* Append a path such as "clusters[0].nodes[1]"; nothing for the root. */
void config_path(const struct config_place *at, struct config_text *path);

#endif
