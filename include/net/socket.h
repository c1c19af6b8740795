/*
 * socket.h - listening, accepting and dialling, non-blocking and close-on-exec throughout.
 *
 * Functions answer a descriptor, or -1 with errno set.
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "base/util.h"
#include "endpoint.h"

/*
 * TCP keepalive of both legs: a peer that vanished without a FIN is noticed after
 * 120 s + 3 x 30 s, whatever the MQTT keep alive says.
 */
#define SOCKET_KEEPALIVE_IDLE_S     120
#define SOCKET_KEEPALIVE_INTERVAL_S 30
#define SOCKET_KEEPALIVE_PROBES     3

struct listen_options {
    int backlog;        /* the kernel cuts it to net.core.somaxconn */
    bool dual_stack;    /* an IPv6 wildcard takes IPv4 too */
    int defer_accept_s; /* wake the listener only when the first bytes are there; 0 = off */
    int fast_open;      /* TCP Fast Open: connections that may wait with data; 0 = off */
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
 * A Unix socket's file is made with its rights before anybody can connect to it, and a stale one of
 * a router that died is replaced; workers share the socket by socket_share(). Main thread only.
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

/* Another descriptor of the same listening socket. */
MUST_USE int socket_share(int fd);

/* Is somebody listening there already? Neither leaves a trace. */
MUST_USE bool socket_is_in_use(const struct endpoint *endpoint);

/* Accept one connection and say who it is (a Unix peer has a family and no more). -1 with
 * EAGAIN when there is none. */
MUST_USE int socket_accept(int listen_fd, struct address *peer);

/*
 * Begin to connect; the socket becomes writable when that has succeeded or failed.
 *
 *   source   the local address to dial from, port 0; null = the kernel's choice. Its ports
 *            are chosen for each destination (IP_BIND_ADDRESS_NO_PORT, ip(7)): as many
 *            connections to every node as there are local ports
 */
MUST_USE int socket_dial(const struct endpoint *endpoint, const struct address *source);

/* TCP keepalive as above, for a socket that was dialled. False with errno, for Unix sockets too. */
bool socket_keep_alive(int fd);

/* How much of a peer is there still? */
enum socket_peer {
    SOCKET_PEER_OPEN,
    SOCKET_PEER_ENDED, /* it has ended its side, and all that it sent has been read */
    SOCKET_PEER_RESET
};
enum socket_peer socket_peer_state(int fd);

/* Has the peer ended its side, or reset it, whether or not all it sent has been read? */
bool socket_peer_has_closed(int fd);

/* Whether unread bytes have arrived. Also false if the kernel does not report it. */
bool socket_has_unread(int fd);

/* The address a TCP socket is bound to. False with errno when the kernel does not say. */
bool socket_local_address(int fd, struct address *out);

#endif
