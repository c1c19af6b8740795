/*
 * config_file.h - read a configuration from a file.
 */
#ifndef CONTROL_CONFIG_FILE_H
#define CONTROL_CONFIG_FILE_H

#include <stdio.h>

#include "base/util.h"
#include "model/config.h"

enum config_file_use {
    CONFIG_FILE_START, /* of a router or a command: a pipe is read to its end, `--config <(...)` */
    CONFIG_FILE_RELOAD /* while it serves: only a regular file can be read again, without waiting */
};

/*
 * Read, parse and check a file; print every message, warnings too, one a line to `out`.
 * Null when anything is wrong with it, the file itself included.
 */
MUST_USE struct config *config_file_load(const char *path, enum config_file_use use, FILE *out);

#endif
