/*
 * watch.h - use inotify to find out when a path may lead to another file.
 */
#ifndef CONTROL_TLS_WATCH_H
#define CONTROL_TLS_WATCH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

struct tls_watch;

/* A directory that cannot be watched. */
struct tls_watch_fault {
    int error; /* errno; 0 = none */
    char directory[PATH_MAX];
};

/* Create a watch without paths. Returns null with errno set on failure. */
MUST_USE struct tls_watch *tls_watch_new(void);

/* Null is allowed. */
void tls_watch_free(struct tls_watch *watch);

/* Return a descriptor that is readable when there are events for tls_watch_read(). */
int tls_watch_fd(const struct tls_watch *watch);

/*
 * Watch exactly the directories on these paths, including those of symbolic links. Call this again
 * after each change, because the paths may then lead through other directories. A file or directory
 * that does not exist yet is noticed when it appears.
 *
 *   fault   the first directory that cannot be watched, so that changes there go unnoticed; error 0
 *           if there is none
 *
 * Returns false if out of memory; fewer directories are then watched.
 */
MUST_USE bool tls_watch_set(struct tls_watch *watch, const char *const *paths, size_t n,
                            struct tls_watch_fault *fault);

/*
 * Read all pending events without blocking. Returns true if one of them concerns a path: a file, or
 * a link on the way to it, was written, replaced or removed, or its permissions were changed. Other
 * files in the same directories are ignored.
 */
MUST_USE bool tls_watch_read(struct tls_watch *watch);

#endif
