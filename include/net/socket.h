/*
 * socket.h - listen, accept and connect. All sockets are non-blocking and close-on-exec.
 *
 * Functions that return a descriptor return -1 and set errno on failure.
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "base/util.h"
#include "endpoint.h"

/*
 * TCP keepalive for clients and nodes: a peer that disappears without a FIN is detected after
 * 120 s + 3 x 30 s, independently of the MQTT keep alive.
 */
#define SOCKET_KEEPALIVE_IDLE_S     120
#define SOCKET_KEEPALIVE_INTERVAL_S 30
#define SOCKET_KEEPALIVE_PROBES     3

struct listen_options {
    int backlog;        /* limited by the kernel to net.core.somaxconn */
    bool dual_stack;    /* an IPv6 wildcard address also accepts IPv4 */
    int defer_accept_s; /* accept a connection only when data has arrived; 0 = off */
    int fast_open;      /* TCP Fast Open: maximum number of pending requests; 0 = off */
    const struct socket_permissions
        *rights; /* permissions of a Unix socket's file; null = default */
};

/* Permissions of a Unix socket's file. Clients need write permission to connect. */
#define SOCKET_PERMISSIONS_KEEP UINT32_MAX
struct socket_permissions {
    uint32_t mode;         /* 0..0777; SOCKET_PERMISSIONS_KEEP = unchanged, or set by the umask */
    uint32_t owner, group; /* SOCKET_PERMISSIONS_KEEP = unchanged */
};

/*
 * Listen on an endpoint. Main thread only.
 *
 * TCP sockets have SO_REUSEPORT, so that every worker has its own accept queue. Accepted sockets
 * inherit TCP_NODELAY and keepalive from the listening socket.
 *
 * The file of a Unix socket gets its permissions before clients can connect. A stale file is
 * replaced. The workers share the socket with socket_share().
 */
MUST_USE int socket_listen(const struct endpoint *endpoint, const struct listen_options *options);

/*
 * For --check: check without side effects whether socket_listen() would succeed. Binds a TCP socket
 * but does not listen on it; for a Unix socket, checks whether the file could be created with these
 * permissions. The returned socket does not listen. -1 with EADDRINUSE if another process listens
 * on the endpoint.
 */
MUST_USE int socket_check(const struct endpoint *endpoint, const struct listen_options *options);

/*
 * Change the permissions of a Unix socket's file that this process has created. On failure, returns
 * false with errno and leaves the permissions unchanged.
 */
MUST_USE bool socket_set_permissions(const struct endpoint *endpoint,
                                     const struct socket_permissions *rights);

/*
 * Remove a Unix socket's file if this process created it and no other process has replaced it. No
 * effect on TCP endpoints.
 */
void socket_remove_file(const struct endpoint *endpoint);

/* Duplicate the descriptor of a listening socket. */
MUST_USE int socket_share(int fd);

/* Is another process listening on the endpoint? No side effects. */
MUST_USE bool socket_is_in_use(const struct endpoint *endpoint);

/* Accept one connection and get the peer's address (only its family for a Unix socket). -1 with
 * EAGAIN if no connection is pending. */
MUST_USE int socket_accept(int listen_fd, struct address *peer);

/*
 * Start to connect. The socket becomes writable when the connect has succeeded or failed.
 *
 *   source   local address with port 0; null = selected by the kernel
 *
 * With IP_BIND_ADDRESS_NO_PORT (ip(7)) the kernel selects the port per destination, so the full
 * port range is available for every node.
 */
MUST_USE int socket_dial(const struct endpoint *endpoint, const struct address *source);

/* Enable TCP keepalive on an outgoing socket. False with errno; always false for Unix sockets. */
bool socket_keep_alive(int fd);

/* State of the peer's side of a connection. */
enum socket_peer {
    SOCKET_PEER_OPEN,
    SOCKET_PEER_ENDED, /* the peer has sent FIN, and everything has been read */
    SOCKET_PEER_RESET
};
enum socket_peer socket_peer_state(int fd);

/* Has the peer sent FIN or reset the connection? Also true if unread bytes remain. */
bool socket_peer_has_closed(int fd);

/* Are there unread bytes? Also false if the kernel does not report their number. */
bool socket_has_unread(int fd);

/* Get the local address of a TCP socket. False with errno on failure. */
bool socket_local_address(int fd, struct address *out);

#endif
