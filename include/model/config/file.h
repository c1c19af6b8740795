/*
 * file.h - read a configuration from a file.
 */
#ifndef MODEL_CONFIG_FILE_H
#define MODEL_CONFIG_FILE_H

#include <stdio.h>

#include "base/util.h"
#include "config.h"

enum config_file_use {
    CONFIG_FILE_START, /* at start, or for a command: a pipe is allowed, as in `--config <(...)` */
    CONFIG_FILE_RELOAD /* while the router serves: only regular files, because reads of these do
                          not block */
};

/*
 * Read, parse and check a file. Print all errors and warnings to `out`, one per line. Returns null
 * if there is an error, or if the file cannot be read.
 */
MUST_USE struct config *config_file_load(const char *path, enum config_file_use use, FILE *out);

#endif
