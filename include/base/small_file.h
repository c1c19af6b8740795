/*
 * small_file.h - read a small file whole: the configuration, passwords, tokens, passphrases, keys.
 *
 * One reader for all of them, so that all keep the same rules. It never waits: a FIFO, a device or
 * a socket under the name of a file is an error, not a main thread that stands still.
 */
#ifndef BASE_SMALL_FILE_H
#define BASE_SMALL_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

#define SMALL_FILE_ERROR_MAX 128u
#define SMALL_FILE_NO_MEMORY "out of memory" /* the only error that is not of the file */

enum small_file_type {
    SMALL_FILE_REGULAR,
    /*
     * Or a pipe, as in `--config <(make-config)`: for a command, and before a router serves. It is
     * read until its writers have closed it, as long as they never pause for 5 seconds.
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
 * Read all of it, `max` bytes at most. A byte order mark, of UTF-8 or UTF-16, is an error: editors
 * add it unseen, and no reader means it. False with the rule in `error`; *out is untouched then.
 */
MUST_USE bool small_file_read(const char *path, enum small_file_type type, size_t max,
                              struct small_file *out, char error[SMALL_FILE_ERROR_MAX]);

/*
 * Read a secret of one line, `max` bytes at most. One line feed, or carriage return and line feed,
 * at the end is removed, and no other byte. An empty secret, a second line and a NUL are errors.
 */
MUST_USE bool small_file_read_line(const char *path, enum small_file_type type, size_t max,
                                   struct small_file *out, char error[SMALL_FILE_ERROR_MAX]);

/* Wipe and free; a file that was not read is allowed. */
void small_file_free(struct small_file *file);

/* Does the text begin with a byte order mark, of UTF-8 or UTF-16? */
bool small_file_has_mark(const char *text, size_t n);

#endif
