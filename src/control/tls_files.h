/*
 * tls_files.h - the files that the TLS contexts are made of: which of them have changed?
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
 * Every file the snapshot's listeners and clusters name, each path once, noted as it is now and
 * taken for served: the caller loads them next. Null: memory is short.
 */
MUST_USE struct tls_files *tls_files_new(const struct snapshot *snapshot);
void tls_files_free(struct tls_files *files);

/* Their paths, borrowed; *n of them. */
const char *const *tls_files_paths(const struct tls_files *files, size_t *n);

/*
 * Is any of them another one than when it was last noted? By what the path leads to: device,
 * inode, size, times of modification and of change; where one of these differs, by the bytes.
 */
MUST_USE bool tls_files_changed(struct tls_files *files);

/* Note them as they are now. To be called before they are loaded. */
void tls_files_note(struct tls_files *files);

/* What was noted last has been loaded, and is served from now on. */
void tls_files_note_served(struct tls_files *files);

/* A file that differs from the one that is served, as it was when last noted. */
struct tls_files_unserved {
    const char *path;       /* borrowed */
    bool exists;            /* false: it cannot be found, or not be read */
    bool is_reported;       /* in this state, by tls_files_report() */
    time_t modified;        /* if it exists */
    time_t served_modified; /* 0 = it did not exist */
};
typedef void tls_files_each(void *arg, const struct tls_files_unserved *file);

/* Each of them, and their number. `each` may be null. */
size_t tls_files_walk_unserved(const struct tls_files *files, tls_files_each *each, void *arg);

/* All of them are reported now. */
void tls_files_note_reported(struct tls_files *files);

#endif
