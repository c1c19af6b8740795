/*
 * dump.h - a configuration written back as JSON: what is in effect, defaults filled in.
 */
#ifndef MODEL_CONFIG_DUMP_H
#define MODEL_CONFIG_DUMP_H

#include "base/util.h"
#include "config.h"

/*
 * In the shape of the file, from the rows that it is read by. Keys without a value (no file named,
 * as many workers as cores) are left out; names of files are as they were found, from the
 * configuration file's directory on. It is for reading: among the defaults are keys that a file may
 * have only beside others. No key holds a secret: passwords, tokens and keys are in files of their
 * own.
 *
 * What malloc made, the caller's; null when memory is short.
 */
MUST_USE char *config_dump(const struct config *config);

#endif
