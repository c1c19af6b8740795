/*
 * listener.h - accept connections on one worker's share of a listening socket.
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

/* What a relayed session has to know of the door it came through. */
struct listener_tag {
    unsigned refs;
    bool websocket;
    struct listener_live *live; /* a reference */
    char name[];
};

/*
 * A worker's share of one address of a configured listener. Made anew with each configuration,
 * when it takes over the socket; sessions that are not relayed yet hold on to the old one.
 */
struct listener {
    unsigned refs; /* of one thread, so it is plain */
    struct ev_io io;
    struct ev_loop *loop;      /* null until it is watched */
    unsigned batch;            /* accept.c: connections to accept when the socket is ready next */
    unsigned turn;             /* accept.c: the loop's turn when it was last ready */
    struct snapshot *snapshot; /* a reference */
    const struct listener_conf *conf;  /* of that snapshot */
    struct cluster_view *cluster_view; /* a reference: of its cluster, as it is now */
    struct listener_tag *tag;          /* a reference */
    struct address local;              /* the address bound; AF_UNIX has no more */
    bool wildcard;                     /* bound to all addresses: ask each socket for its own */
    struct tls_context *tls;           /* owned; null = plain */
    struct stream_ws_conf websocket;   /* when conf has one; its spans are the configuration's */
    int fd;                            /* owned; -1 = none (any more) */
};

/*
 * One reference, the caller's. May be made on another thread and handed over. Takes the
 * descriptor, on failure too; -1 when listener_take_over() will bring one. Null with errno.
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

/* Have the socket of an old listener, which is left without. Not watched yet. */
void listener_take_over(struct listener *listener, struct listener *old);

/* Close the socket: whoever still waits in its queue is reset. Safe to repeat. */
void listener_close(struct listener *listener);

/* Stop watching the socket, and start again. */
void listener_pause(struct listener *listener);
void listener_resume(struct listener *listener);

#endif
