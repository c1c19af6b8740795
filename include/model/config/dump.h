/*
 * dump.h - write the configuration in effect as JSON, including defaults.
 */
#ifndef MODEL_CONFIG_DUMP_H
#define MODEL_CONFIG_DUMP_H

#include "base/util.h"
#include "config.h"

/*
 * Return a configuration as JSON text with the structure of the file, generated from the parser's
 * table rows. Keys without a value are left out. File names are resolved. The text is not always a
 * valid configuration file, because it contains defaults of keys that require other keys. It
 * contains no secrets: passwords, tokens and private keys are in other files.
 *
 * The caller frees the text with free(). Null: out of memory.
 */
MUST_USE char *config_dump(const struct config *config);

#endif
