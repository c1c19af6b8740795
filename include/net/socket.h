/*
 * socket.h - listening, accepting and dialling, non-blocking and close-on-exec throughout.
 *
 * Functions answer a descriptor, or -1 with errno set.
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include <stdbool.h>

#include "base/util.h"
#include "net/address.h"

/*
 * TCP keepalive of both legs: a peer that vanished without a FIN is noticed after
 * 120 s + 3 x 30 s, whatever the MQTT keep alive says.
 */
#define SOCKET_KEEPALIVE_IDLE_S     120
#define SOCKET_KEEPALIVE_INTERVAL_S 30
#define SOCKET_KEEPALIVE_PROBES     3

#define SOCKET_BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn */

/*
 * Listen on an address with SO_REUSEPORT, so that every worker has its own accept queue.
 * TCP_NODELAY and keepalive are set here once: accepted sockets inherit them.
 * An IPv6 address takes IPv6 only (IPV6_V6ONLY).
 */
MUST_USE int socket_listen(const struct address *address);

/* Accept one connection and say who it is. -1 with EAGAIN when there is none. */
MUST_USE int socket_accept(int listen_fd, struct address *peer);

/* Begin to connect; the socket becomes writable when that has succeeded or failed. */
MUST_USE int socket_dial(const struct address *address);

/* The address a socket is bound to. False with errno when the kernel does not say. */
bool socket_local_address(int fd, struct address *out);

#endif
