/*
 * socket_file.h - create, recognise and remove the file of a listening Unix socket. Private to
 * net/.
 */
#ifndef NET_SOCKET_FILE_H
#define NET_SOCKET_FILE_H

#include "net/socket.h"

/* Bind, set the rights, then listen. False with errno, and no file is left. */
MUST_USE bool socket_file_listen(int fd, const struct endpoint *endpoint,
                                 const struct listen_options *options);

/* Check whether the file could be created with these permissions (or null = default). False with
 * errno. No side effects. */
MUST_USE bool socket_file_check(const struct endpoint *endpoint,
                                const struct socket_permissions *rights);

/* Does a process accept connections there? */
MUST_USE bool socket_file_is_in_use(const struct endpoint *endpoint);

#endif
