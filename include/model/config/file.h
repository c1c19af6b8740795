/*
 * file.h - read a configuration from a file.
 */
#ifndef MODEL_CONFIG_FILE_H
#define MODEL_CONFIG_FILE_H

#include <stdio.h>

#include "base/util.h"
#include "config.h"

enum config_file_use {
    CONFIG_FILE_START, /* start of a router or a command: may be a pipe, `--config <(...)` */
    CONFIG_FILE_RELOAD /* while it serves: regular files only, since a read must not block */
};

/*
 * Read, parse and check a file; print every message, warnings too, one a line to `out`.
 * Null when anything is wrong with it, the file itself included.
 */
MUST_USE struct config *config_file_load(const char *path, enum config_file_use use, FILE *out);

#endif
