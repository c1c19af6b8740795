/*
 * fault.c - print errors and warnings about configuration values in one format.
 */
#include "model/config/fault.h"

#include <inttypes.h>
#include <stdarg.h>

static void put(const struct faults *faults, const char *kind, const char *path)
{
    const uint32_t line = config_line(faults->config, path);
    (void)fprintf(faults->out, "%s: %s:", kind, faults->file_name);
    if (line)
        (void)fprintf(faults->out, "%" PRIu32 ":", line);
    (void)fprintf(faults->out, " %s: ", path);
}

void fault_error(const struct faults *faults, const char *path, const char *format, ...)
{
    va_list args;
    put(faults, "error", path);
    va_start(args, format);
    (void)vfprintf(faults->out, format, args);
    va_end(args);
    (void)fputc('\n', faults->out);
}

void fault_warning(const struct faults *faults, const char *path, const char *format, ...)
{
    va_list args;
    put(faults, "warning", path);
    va_start(args, format);
    (void)vfprintf(faults->out, format, args);
    va_end(args);
    (void)fputc('\n', faults->out);
}

const char *fault_path(char text[FAULT_PATH_MAX], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, FAULT_PATH_MAX, format, args);
    va_end(args);
    return text;
}
