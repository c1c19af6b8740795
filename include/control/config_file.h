/*
 * config_file.h - read a configuration from a file.
 */
#ifndef CONTROL_CONFIG_FILE_H
#define CONTROL_CONFIG_FILE_H

#include <stdio.h>

#include "base/util.h"
#include "model/config.h"

/*
 * Read, parse and check a file; print every message, warnings too, one a line to `out`.
 * Null when anything is wrong with it, the file itself included.
 */
MUST_USE struct config *config_file_load(const char *path, FILE *out);

#endif
