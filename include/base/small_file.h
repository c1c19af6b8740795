/*
 * small_file.h - read a small file whole: the configuration, passwords, tokens, passphrases, keys.
 *
 * One reader for all of them, so that the same rules apply to all. It never blocks: a FIFO, a
 * device or a socket in place of a file is an error and does not block the main thread.
 */
#ifndef BASE_SMALL_FILE_H
#define BASE_SMALL_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "util.h"

#define SMALL_FILE_ERROR_MAX 128u
#define SMALL_FILE_NO_MEMORY "out of memory" /* the only error that the file does not cause */

enum small_file_type {
    SMALL_FILE_REGULAR,
    /*
     * Also accept a pipe, as in `--config <(make-config)`: for commands, and before the router
     * serves. It is read until its writers have closed it; a pause of 5 seconds is an error.
     */
    SMALL_FILE_OR_PIPE
};

/* Owned bytes, with a NUL after the last one; all zero = none. */
struct small_file {
    char *text;
    size_t n;
};

/*
 * Open a regular file to read it, without waiting. -1 with the rule that it breaks in `error`:
 * "is a FIFO: must be a regular file". The caller names the file.
 */
MUST_USE int small_file_open(const char *path, char error[SMALL_FILE_ERROR_MAX]);

/*
 * Read the whole file, `max` bytes at most. A byte order mark of UTF-8 or UTF-16 is an error:
 * editors add it without showing it, and no parser expects it. False with the rule in `error`; *out
 * is then untouched.
 */
MUST_USE bool small_file_read(const char *path, enum small_file_type type, size_t max,
                              struct small_file *out, char error[SMALL_FILE_ERROR_MAX]);

/*
 * Read a secret: the first line of a file, `max` bytes at most. Its line feed, or carriage return
 * and line feed, is removed, and no other byte. What follows is ignored. An empty line, a NUL and
 * any other carriage return are errors.
 */
MUST_USE bool small_file_read_line(const char *path, enum small_file_type type, size_t max,
                                   struct small_file *out, char error[SMALL_FILE_ERROR_MAX]);

/* Wipe and free. A zeroed struct is allowed. */
void small_file_free(struct small_file *file);

/* Does the text begin with a byte order mark, of UTF-8 or UTF-16? */
bool small_file_has_mark(const char *text, size_t n);

#endif
