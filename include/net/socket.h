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
#include "net/endpoint.h"

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
};

/*
 * Listen on an endpoint. TCP sockets have SO_REUSEPORT, so that every worker has its own
 * accept queue; TCP_NODELAY and keepalive are set here once: accepted sockets inherit them.
 * A Unix socket's file is made, and a stale one of a router that died is replaced; workers
 * share it by socket_share().
 */
MUST_USE int socket_listen(const struct endpoint *endpoint, const struct listen_options *options);

/* Another descriptor of the same listening socket. */
MUST_USE int socket_share(int fd);

/* Is somebody listening there already? Neither leaves a trace. */
MUST_USE bool socket_is_taken(const struct endpoint *endpoint);

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
    SOCKET_PEER_THERE,
    SOCKET_PEER_ENDED, /* it has ended its side, and all that it sent has been read */
    SOCKET_PEER_RESET
};
enum socket_peer socket_ask_peer(int fd);

/* Has the peer ended its side, or reset it, whether or not all it sent has been read? */
bool socket_peer_has_left(int fd);

/* Have bytes arrived that nobody has read? False, too, when the kernel does not say. */
bool socket_has_unread(int fd);

/* The address a TCP socket is bound to. False with errno when the kernel does not say. */
bool socket_local_address(int fd, struct address *out);

#endif
