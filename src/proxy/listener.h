/*
 * listener.h - one worker's socket for an address of a listener.
 */
#ifndef PROXY_LISTENER_H
#define PROXY_LISTENER_H

#include <ev.h>
#include <stdbool.h>

#include "cluster_view.h"
#include "model/config/config.h"
#include "net/address.h"
#include "net/tls/context.h"
#include "net/ws/stream.h"
#include "proxy/snapshot.h"

/* What a relayed session needs from the listener that accepted it. */
struct listener_tag {
    unsigned refs;
    bool websocket;
    struct listener_live *live; /* a reference */
    char name[];
};

/*
 * One worker's socket for one address of a listener. Each new configuration creates a new struct,
 * which takes over the socket; sessions that are not relayed yet hold a reference to the old
 * struct.
 */
struct listener {
    unsigned refs; /* used by one thread, so not atomic */
    struct ev_io io;
    struct ev_loop *loop;      /* null until it is watched */
    unsigned batch;            /* accept.c: connections to accept when the socket is next ready */
    unsigned turn;             /* accept.c: the turn in which the socket was last ready */
    struct snapshot *snapshot; /* a reference */
    const struct listener_conf *conf;  /* in that snapshot */
    struct cluster_view *cluster_view; /* a reference; current view of the listener's cluster */
    struct listener_tag *tag;          /* a reference */
    struct address local;              /* the bound address; for AF_UNIX only the family */
    bool wildcard;           /* bound to all addresses: the local address differs per connection */
    struct tls_context *tls; /* owned; null = no TLS */
    struct stream_ws_conf websocket; /* if enabled; spans point into the configuration */
    int fd;                          /* owned; -1 = none */
};

/*
 * The caller owns the first reference. May be called on any thread. Takes fd, on failure too; -1 if
 * listener_take_over() will provide the socket. Returns null with errno on failure.
 */
MUST_USE struct listener *listener_new(struct snapshot *snapshot, const struct binding *binding,
                                       int fd);
struct listener *listener_ref(struct listener *listener);
void listener_unref(struct listener *listener); /* null is allowed */
void listener_tag_unref(struct listener_tag *tag);

/* Watch the socket: call `on_connection` when it is readable, with io->data = data. */
void listener_watch(struct listener *listener, struct ev_loop *loop,
                    void (*on_connection)(struct ev_loop *loop, struct ev_io *io, int events),
                    void *data);

/* Take over the socket of an old listener, but do not watch it yet. */
void listener_take_over(struct listener *listener, struct listener *old);

/* Close the socket, which resets pending connections. Safe to call again. */
void listener_close(struct listener *listener);

/* Stop or resume watching the socket. */
void listener_pause(struct listener *listener);
void listener_resume(struct listener *listener);

#endif
