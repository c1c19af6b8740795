/*
 * privileges.h - drop the privileges that only startup needs: root and capabilities.
 *
 * Called before the threads are started, so that they inherit the result.
 */
#ifndef CONTROL_HOST_PRIVILEGES_H
#define CONTROL_HOST_PRIVILEGES_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/log.h"
#include "base/util.h"
#include "proxy/snapshot.h"

/* The user and group to run as. */
struct privileges {
    const char *user; /* borrowed from the configuration; null = not configured */
    uid_t uid;
    gid_t gid;
    bool change; /* false = already the right user; groups stay unchanged */
};

/*
 * Protect this process's memory, including private keys, from core dumps and from other processes
 * of the same user (PR_SET_DUMPABLE). Call this before a key is read.
 */
void privileges_hide_memory(void);

struct faults;

/*
 * Look up `user` and `group` on this host; a number is used as is. It is an error if the name does
 * not exist, or if the process is not allowed to switch to it.
 */
MUST_USE bool privileges_find(const struct faults *faults, struct privileges *out);

/*
 * Change the owner of a listening socket to the user to run as. The kernel shares a port
 * (SO_REUSEPORT) only among sockets of one user, so otherwise a reload could not open another
 * address on the same port.
 */
void privileges_hand_over(const struct privileges *to, int fd);

/*
 * Switch to that user and group, with the user's supplementary groups; drop all capabilities, even
 * for root; set no_new_privs. Then verify the result. Errors are reported on `err`.
 */
MUST_USE bool privileges_drop(const struct privileges *to, FILE *err);

/*
 * Log what a reload can no longer do: `host.root` if the process still runs as root,
 * `host.unreadable` for each file that the next reload cannot read, and `host.unwritable` for each
 * directory from which a Unix socket file cannot be removed.
 */
void privileges_warn(struct log *log, const struct config *config, const char *config_path);

#endif
