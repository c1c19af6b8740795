/*
 * fault.h - report an error or warning of a preparation in one line that names place and rule.
 */
#ifndef MODEL_CONFIG_FAULT_H
#define MODEL_CONFIG_FAULT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/util.h"
#include "config.h"

/* Where the lines go, and whose configuration it is; all borrowed. */
struct faults {
    const struct config *config;
    const char *file_name;
    FILE *out;
};

/*
 * "error: FILE:LINE: PATH: TEXT", and the same as a warning. The line is left out if the value at
 * that path is a default.
 */
void fault_error(const struct faults *faults, const char *path, const char *format, ...)
    PRINTF_LIKE(3, 4);
void fault_warning(const struct faults *faults, const char *path, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* "clusters[0].source_addresses[1]", for the two above. Returns text. */
#define FAULT_PATH_MAX 96u
const char *fault_path(char text[FAULT_PATH_MAX], const char *format, ...) PRINTF_LIKE(2, 3);

#endif
