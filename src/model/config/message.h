/*
 * message.h - say what is wrong with a configuration, where, and by which rule.
 */
#ifndef MODEL_CONFIG_MESSAGE_H
#define MODEL_CONFIG_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "load.h"

/* A piece of the file as messages show it: escaped, cut to this many of its bytes. */
#define CONFIG_SHOWN_BYTES 64u
/* Room for that, each byte as "\u001b", with "..." and a terminator. */
#define CONFIG_SHOWN_MAX (6u * CONFIG_SHOWN_BYTES + 4u)
/* And with quotes. */
#define CONFIG_GOT_MAX (CONFIG_SHOWN_MAX + 2u)

/* A whole message without the file's name. */
#define CONFIG_MESSAGE_MAX 2048u

/* A text under construction; what no longer fits is left out. */
struct config_text {
    size_t n;
    char bytes[CONFIG_MESSAGE_MAX];
};
void config_text_put(struct config_text *text, const char *format, ...) PRINTF_LIKE(2, 3);

/* Add "FILE:LINE: PATH: TEXT" to the messages, which stay in the order of their lines. */
void config_error(struct config_load *load, const struct config_place *at, const char *format, ...)
    PRINTF_LIKE(3, 4);
void config_warning(struct config_load *load, const struct config_place *at, const char *format,
                    ...) PRINTF_LIKE(3, 4);
/* "must be RULE, got VALUE" about the value there. */
void config_want(struct config_load *load, const struct config_place *at, const char *rule);
/* A fault of the text itself, or of ours, with no path; line 0 = none. */
void config_fault(struct config_load *load, uint32_t line, const char *format, ...)
    PRINTF_LIKE(3, 4);
void config_no_memory(struct config_load *load);

/* Text as messages show it: control characters escaped, cut. Returns shown. */
const char *config_show(const char *text, char shown[CONFIG_SHOWN_MAX]);
/* The same in quotes, and with the quotes inside escaped. Returns got. */
const char *config_quote(const char *text, char got[CONFIG_GOT_MAX]);
/* A value as messages show it: 15, "15s", an array. Returns got. */
const char *config_got(const json_t *value, char got[CONFIG_GOT_MAX]);
/* "clusters[0].nodes[1]"; empty for the root. */
void config_path(const struct config_place *at, struct config_text *path);

#endif
