/*
 * accounts.h - users and groups of this host by name or number, and who owns a Unix socket's file.
 *
 * Main thread only.
 */
#ifndef CONTROL_ACCOUNTS_H
#define CONTROL_ACCOUNTS_H

#include <sys/types.h>

#include "base/util.h"
#include "model/config.h"
#include "net/socket.h"

/*
 * The ids of a user, or of a group. A number that no entry has is taken as it stands; the user's
 * group is the same number then, as containers have it. 0, or an errno value; ENOENT when there is
 * none of that name.
 */
MUST_USE int account_user(const char *name, uid_t *uid, gid_t *gid);
MUST_USE int account_group(const char *name, gid_t *gid);

/* "no such user", or the system's text; `none` is for ENOENT. */
const char *account_fault(int error, const char *none);

/*
 * From now on look into /etc/passwd, /etc/group and what was found before, and nowhere else: a name
 * service loads libraries and makes system calls that the sandbox does not allow.
 */
void accounts_confine(void);

/*
 * socket_mode, socket_owner and socket_group as numbers; what is not set in `conf` is left as it is
 * in *rights. 0, or an errno value; then *key is "socket_owner" or "socket_group".
 */
MUST_USE int account_socket_rights(const struct socket_conf *conf, struct socket_rights *rights,
                                   const char **key);

#endif
