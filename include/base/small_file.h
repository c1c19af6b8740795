/*
 * small_file.h - read a small file: the configuration, a password, token, passphrase or key.
 *
 * A FIFO, a device or a socket in place of a file is an error, and does not block the main thread.
 */
#ifndef BASE_SMALL_FILE_H
#define BASE_SMALL_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "util.h"

#define SMALL_FILE_ERROR_MAX 128u
#define SMALL_FILE_NO_MEMORY "out of memory" /* the only error that is not about the file */

enum small_file_type {
    SMALL_FILE_REGULAR,
    /*
     * Also accept a pipe, as in `--config <(make-config)`. This blocks until the writers close the
     * pipe, so it is used only by commands and at startup. A pause of 5 seconds is an error.
     */
    SMALL_FILE_OR_PIPE
};

/* Contents of a file, owned, with a NUL after the last byte; all zero = no file. */
struct small_file {
    char *text;
    size_t n;
};

/*
 * Open a regular file for reading, without blocking. Returns -1 with the violated rule in `error`,
 * such as "is a FIFO: must be a regular file"; the caller adds the name of the file.
 */
MUST_USE int small_file_open(const char *path, char error[SMALL_FILE_ERROR_MAX]);

/*
 * Read a whole file of at most `max` bytes. A byte order mark (UTF-8 or UTF-16) is an error:
 * editors add it without showing it, and no parser expects it. Returns false with the violated rule
 * in `error`, and leaves *out unchanged.
 */
MUST_USE bool small_file_read(const char *path, enum small_file_type type, size_t max,
                              struct small_file *out, char error[SMALL_FILE_ERROR_MAX]);

/*
 * Read a secret: the first line of a file, at most `max` bytes without its line end (LF or CRLF).
 * The rest of the file is ignored. An empty line, a NUL and any other carriage return are errors.
 */
MUST_USE bool small_file_read_line(const char *path, enum small_file_type type, size_t max,
                                   struct small_file *out, char error[SMALL_FILE_ERROR_MAX]);

/* Wipe and free. A zeroed struct is allowed. */
void small_file_free(struct small_file *file);

/* Whether the text begins with a byte order mark (UTF-8 or UTF-16). */
bool small_file_has_mark(const char *text, size_t n);

#endif
