/*
 * fault.h - print an error or warning about a configuration value, with its line and path.
 */
#ifndef MODEL_CONFIG_FAULT_H
#define MODEL_CONFIG_FAULT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/util.h"
#include "config.h"

/* All pointers are borrowed. */
struct faults {
    const struct config *config;
    const char *file_name; /* configuration file, for messages */
    FILE *out;             /* messages are printed here */
};

/*
 * Print "error: FILE:LINE: PATH: TEXT" or "warning: FILE:LINE: PATH: TEXT". LINE is left out if the
 * value at PATH is a default.
 */
void fault_error(const struct faults *faults, const char *path, const char *format, ...)
    PRINTF_LIKE(3, 4);
void fault_warning(const struct faults *faults, const char *path, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Format a path such as "clusters[0].source_addresses[1]". Returns text. */
#define FAULT_PATH_MAX 96u
const char *fault_path(char text[FAULT_PATH_MAX], const char *format, ...) PRINTF_LIKE(2, 3);

#endif
