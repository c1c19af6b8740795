/*
 * socket.h - listen, accept and connect. All sockets are non-blocking and close-on-exec.
 *
 * Functions return a descriptor, or -1 with errno.
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "base/util.h"
#include "endpoint.h"

/*
 * TCP keepalive on both sides: a peer that disappears without a FIN is detected after 120 s + 3 x
 * 30 s, independent of the MQTT keep alive.
 */
#define SOCKET_KEEPALIVE_IDLE_S     120
#define SOCKET_KEEPALIVE_INTERVAL_S 30
#define SOCKET_KEEPALIVE_PROBES     3

struct listen_options {
    int backlog;        /* the kernel limits it to net.core.somaxconn */
    bool dual_stack;    /* an IPv6 wildcard address accepts IPv4 too */
    int defer_accept_s; /* accept a connection only when its first bytes arrive; 0 = off */
    int fast_open;      /* TCP Fast Open: maximum number of pending requests; 0 = off */
    const struct socket_permissions *rights; /* of a Unix socket's file; null = by user and umask */
};

/* Permissions of a Unix socket's file. A client needs write permission to connect. */
#define SOCKET_PERMISSIONS_KEEP UINT32_MAX
struct socket_permissions {
    uint32_t mode;         /* 0..0777, or SOCKET_PERMISSIONS_KEEP: by umask */
    uint32_t owner, group; /* or SOCKET_PERMISSIONS_KEEP */
};

/*
 * Listen on an endpoint. TCP sockets have SO_REUSEPORT, so that every worker has its own
 * accept queue; TCP_NODELAY and keepalive are set here once: accepted sockets inherit them.
 * The file of a Unix socket gets its permissions before clients can connect, and a stale file is
 * replaced; workers share the socket with socket_share(). Main thread only.
 */
MUST_USE int socket_listen(const struct endpoint *endpoint, const struct listen_options *options);

/*
 * The same for --check, without side effects: bind a TCP socket but do not listen on it; for a Unix
 * socket, test whether its file could be created, with its permissions. The returned socket accepts
 * no connection. -1 with errno; EADDRINUSE if another process listens there.
 */
MUST_USE int socket_check(const struct endpoint *endpoint, const struct listen_options *options);

/*
 * Change the permissions of a Unix socket's file that this process created. False with errno; the
 * permissions are then unchanged.
 */
MUST_USE bool socket_set_permissions(const struct endpoint *endpoint,
                                     const struct socket_permissions *rights);

/*
 * Remove the file of a Unix socket if this process created it and it is still the same file: a
 * successor may have replaced it. No effect on other endpoints.
 */
void socket_remove_file(const struct endpoint *endpoint);

/* Duplicate the descriptor of a listening socket. */
MUST_USE int socket_share(int fd);

/* Is another process listening on the address? No side effects. */
MUST_USE bool socket_is_in_use(const struct endpoint *endpoint);

/* Accept one connection and get the peer's address (only the family for a Unix socket). -1 with
 * EAGAIN if none is pending. */
MUST_USE int socket_accept(int listen_fd, struct address *peer);

/*
 * Start to connect; the socket becomes writable on success or failure.
 *
 *   source   local address with port 0; null = chosen by the kernel. IP_BIND_ADDRESS_NO_PORT
 * (ip(7)) selects the port per destination, so every node gets the full port range
 */
MUST_USE int socket_dial(const struct endpoint *endpoint, const struct address *source);

/* Enable TCP keepalive on an outgoing socket. False with errno, for Unix sockets too. */
bool socket_keep_alive(int fd);

/* State of the peer's side of a connection. */
enum socket_peer {
    SOCKET_PEER_OPEN,
    SOCKET_PEER_ENDED, /* it has sent FIN, and everything has been read */
    SOCKET_PEER_RESET
};
enum socket_peer socket_peer_state(int fd);

/* Has the peer sent FIN or reset the connection, even if unread bytes remain? */
bool socket_peer_has_closed(int fd);

/* Whether unread bytes have arrived. Also false if the kernel does not report it. */
bool socket_has_unread(int fd);

/* The address a TCP socket is bound to. False with errno on failure. */
bool socket_local_address(int fd, struct address *out);

#endif
