/*
 * socket_file.h - create and check the file of a listening Unix socket. Private to net/.
 */
#ifndef NET_SOCKET_FILE_H
#define NET_SOCKET_FILE_H

#include "net/socket.h"

/* Bind, set the permissions, then listen. False with errno; the file is then removed. */
MUST_USE bool socket_file_listen(int fd, const struct endpoint *endpoint,
                                 const struct listen_options *options);

/* Can the file be created with these permissions? False with errno. No side effects. */
MUST_USE bool socket_file_check(const struct endpoint *endpoint,
                                const struct socket_permissions *rights);

/* Is a process listening on the endpoint? */
MUST_USE bool socket_file_is_in_use(const struct endpoint *endpoint);

#endif
