/*
 * listener.h - accept connections on one worker's share of a listening socket.
 */
#ifndef PROXY_LISTENER_H
#define PROXY_LISTENER_H

#include <ev.h>
#include <stdbool.h>

#include "model/config.h"
#include "net/address.h"
#include "net/stream_ws.h"
#include "net/tls_context.h"
#include "proxy/snapshot.h"

struct worker;

/* A worker's share of one address of a configured listener. */
struct listener {
    struct ev_io io;
    struct worker *w;
    const struct listener_conf *conf; /* borrowed from the snapshot */
    const struct cluster *cluster;    /* borrowed from the snapshot */
    struct address local;             /* the address bound; AF_UNIX has no more */
    bool wildcard;                    /* bound to all addresses: ask each socket for its own */
    struct tls_context *tls;          /* owned; null = plain */
    struct stream_ws_conf websocket;  /* when conf has one; its spans are the configuration's */
    int fd;                           /* owned; -1 once closed */
};

/* Watch the socket; the listener's other fields are filled. */
void listener_start(struct listener *listener);

/* Close the socket: whoever still waits in its queue is reset. Safe to repeat. */
void listener_close(struct listener *listener);

/* For want of descriptors: stop watching, and start again. */
void listener_pause(struct listener *listener);
void listener_resume(struct listener *listener);

#endif
