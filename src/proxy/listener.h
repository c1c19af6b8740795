/* listener.h - one worker's share of a listening socket. */
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

/* What a relayed session needs of the listener that accepted it. */
struct listener_tag {
    unsigned refs;
    bool websocket;
    struct listener_live *live; /* a reference */
    char name[];
};

/*
 * A worker's share of one address of a configured listener. Created anew with each configuration,
 * and takes over the socket; sessions that are not relayed yet hold a reference to the old one.
 */
struct listener {
    unsigned refs; /* used by one thread, so not atomic */
    struct ev_io io;
    struct ev_loop *loop;      /* null until it is watched */
    unsigned batch;            /* accept.c: connections to accept when the socket is ready next */
    unsigned turn;             /* accept.c: the loop's turn when it was last ready */
    struct snapshot *snapshot; /* a reference */
    const struct listener_conf *conf;  /* of that snapshot */
    struct cluster_view *cluster_view; /* a reference: the current view of its cluster */
    struct listener_tag *tag;          /* a reference */
    struct address local;              /* the bound address; for AF_UNIX only the family */
    bool wildcard;           /* bound to all addresses: each socket has its own local address */
    struct tls_context *tls; /* owned; null = plain */
    struct stream_ws_conf websocket; /* if conf has one; its spans point into the configuration */
    int fd;                          /* owned; -1 = none (any more) */
};

/*
 * One reference, for the caller. May be created on another thread and handed over. Takes the
 * descriptor, on failure too; -1 if listener_take_over() will provide one. Null with errno.
 */
MUST_USE struct listener *listener_new(struct snapshot *snapshot, const struct binding *binding,
                                       int fd);
struct listener *listener_ref(struct listener *listener);
void listener_unref(struct listener *listener); /* null is allowed */
void listener_tag_unref(struct listener_tag *tag);

/* Watch the socket: `on_connection` is called when it is readable, with io->data = data. */
void listener_watch(struct listener *listener, struct ev_loop *loop,
                    void (*on_connection)(struct ev_loop *loop, struct ev_io *io, int events),
                    void *data);

/* Take the socket of an old listener. Not watched yet. */
void listener_take_over(struct listener *listener, struct listener *old);

/* Close the socket: pending connections are reset. Safe to repeat. */
void listener_close(struct listener *listener);

/* Stop watching the socket, and start again. */
void listener_pause(struct listener *listener);
void listener_resume(struct listener *listener);

#endif
