/*
 * privileges.h - give up what only the start needs: root, capabilities, the right to gain any.
 *
 * Before the threads start: what is given up here is given up for those that come.
 */
#ifndef CONTROL_HOST_PRIVILEGES_H
#define CONTROL_HOST_PRIVILEGES_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/log.h"
#include "base/util.h"
#include "proxy/snapshot.h"

/* Whom to run as. */
struct privileges {
    const char *user; /* borrowed from the configuration; null = no name was given */
    uid_t uid;
    gid_t gid;
    bool change; /* false = we are whom we should be; all groups stay as they are */
};

/*
 * Keep the memory of this process, private keys above all, out of core dumps and from other
 * processes of the same user (PR_SET_DUMPABLE). For the very start, before a key is read.
 */
void privileges_hide_memory(void);

struct faults;

/*
 * Look up `user` and `group` on this host; a number is used as it is. It is an error if the name
 * does not exist, or if the process may not switch to it.
 */
MUST_USE bool privileges_find(const struct faults *faults, struct privileges *out);

/*
 * Hand a listening socket to who we will run as. The kernel lets sockets of one user share a
 * port (SO_REUSEPORT) and goes by who made them: a reload that opens one more on the same port,
 * say on another address, would be refused.
 */
void privileges_hand_over(const struct privileges *to, int fd);

/*
 * Become that user and group, with the groups that user is in; give up all capabilities, of root
 * too; set no_new_privs, so that no program we might be made to run has more. Then look whether
 * it was done. False is said on `err`.
 */
MUST_USE bool privileges_drop(const struct privileges *to, FILE *err);

/*
 * What a reload will miss from now on, a warning each: `host.root` when we are still root,
 * `host.unreadable` for each file that the next reload cannot read, and `host.unwritable` for each
 * folder that the file of a Unix socket cannot be taken out of.
 */
void privileges_warn(struct log *log, const struct config *config, const char *config_path);

#endif
