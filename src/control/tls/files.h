/*
 * files.h - find out which files of the TLS contexts have changed.
 */
#ifndef CONTROL_TLS_FILES_H
#define CONTROL_TLS_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/util.h"
#include "proxy/snapshot.h"

struct tls_files;

/*
 * Collect all files that the snapshot's listeners and clusters name, each path once. Their current
 * state counts as in use, so the caller must load them next. Returns null if out of memory.
 */
MUST_USE struct tls_files *tls_files_new(const struct snapshot *snapshot);
void tls_files_free(struct tls_files *files);

/* Return the paths of the files, borrowed; *n is their number. */
const char *const *tls_files_paths(const struct tls_files *files, size_t *n);

/*
 * Whether any file has changed since it was last noted. Compares device, inode, size, mtime and
 * ctime of the target; if one of these differs, compares the contents.
 */
MUST_USE bool tls_files_changed(struct tls_files *files);

/* Note the current state of all files. Call this before loading them. */
void tls_files_note(struct tls_files *files);

/* Record that the last noted state has been loaded and is now in use. */
void tls_files_note_served(struct tls_files *files);

/* A file whose last noted state differs from the one in use. */
struct tls_files_unserved {
    const char *path;       /* borrowed */
    bool exists;            /* false = missing or cannot be read */
    bool is_reported;       /* this state has been reported, see tls_files_note_reported() */
    time_t modified;        /* if it exists */
    time_t served_modified; /* 0 = it did not exist */
};
typedef void tls_files_each(void *arg, const struct tls_files_unserved *file);

/* Call `each` (may be null) for every such file; returns their number. */
size_t tls_files_walk_unserved(const struct tls_files *files, tls_files_each *each, void *arg);

/* Mark all such files as reported. */
void tls_files_note_reported(struct tls_files *files);

#endif
