/*
 * accounts.h - users and groups of this host by name or number, and owners of Unix socket files.
 *
 * Main thread only.
 */
#ifndef CONTROL_HOST_ACCOUNTS_H
#define CONTROL_HOST_ACCOUNTS_H

#include <sys/types.h>

#include "base/util.h"
#include "model/config/config.h"
#include "net/socket.h"

/*
 * The ids of a user or group. A number without an entry is used as it is, and the user's group is
 * then the same number, as is usual in containers. 0, or an errno value; ENOENT if the name does
 * not exist.
 */
MUST_USE int account_user(const char *name, uid_t *uid, gid_t *gid);
MUST_USE int account_group(const char *name, gid_t *gid);

/* "no such user", or the system's text; `none` is for ENOENT. */
const char *account_fault(int error, const char *none);

/*
 * From now on use only /etc/passwd, /etc/group and earlier results: a name service loads libraries
 * and makes system calls that the sandbox does not allow.
 */
void accounts_confine(void);

/*
 * socket_mode, socket_owner and socket_group as numbers; a key that is not set in `conf` leaves
 * *rights unchanged. 0, or an errno value and *key = "socket_owner" or "socket_group".
 */
MUST_USE int account_socket_rights(const struct socket_conf *conf,
                                   struct socket_permissions *rights, const char **key);

#endif
