/*
 * tls_files.h - the files that TLS is made of: have they changed?
 */
#ifndef CONTROL_TLS_FILES_H
#define CONTROL_TLS_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"
#include "proxy/snapshot.h"

struct tls_files;

/* Every file the snapshot's listeners and clusters name, as it is now. Null: memory is short. */
MUST_USE struct tls_files *tls_files_new(const struct snapshot *snapshot);
void tls_files_free(struct tls_files *files);

size_t tls_files_count(const struct tls_files *files);

/* Watch their directories with an inotify descriptor. False with errno. */
MUST_USE bool tls_files_watch(const struct tls_files *files, int inotify_fd);

/* Is any of them another one than when it was last noted (inode, size, time of change)? */
bool tls_files_changed(const struct tls_files *files);

/* Note them as they are now. */
void tls_files_note(struct tls_files *files);

#endif
