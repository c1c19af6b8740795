/*
 * accounts.h - look up users, groups and owners of Unix sockets on this host by name or number.
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
 * Look up a user or group. A number without an entry is used as is; the user's group is then the
 * same number, as is usual in containers. Returns 0 or an errno value; ENOENT if the name does not
 * exist.
 */
MUST_USE int account_user(const char *name, uid_t *uid, gid_t *gid);
MUST_USE int account_group(const char *name, gid_t *gid);

/* Return the text for an errno value. `none` is used for ENOENT, such as "no such user". */
const char *account_fault(int error, const char *none);

/*
 * From now on, use only /etc/passwd, /etc/group and earlier results, because name services load
 * libraries and make system calls that the sandbox does not allow.
 */
void accounts_confine(void);

/*
 * Convert socket_mode, socket_owner and socket_group to numbers. Keys that are not set in `conf`
 * leave *rights unchanged. Returns 0, or an errno value with *key = "socket_owner" or
 * "socket_group".
 */
MUST_USE int account_socket_rights(const struct socket_conf *conf,
                                   struct socket_permissions *rights, const char **key);

#endif
