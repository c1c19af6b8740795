/*
 * http_internal.h - the state of the admin interface's HTTP server, shared by its files.
 *
 *    http.c          requests, from the first line to the end of the response
 *      connections.c   accept, limit and time out connections; run libmicrohttpd
 *      guard.c         reject requests before a handler sees them
 *        call.c          functions for handlers
 */
#ifndef CONTROL_ADMIN_HTTP_INTERNAL_H
#define CONTROL_ADMIN_HTTP_INTERNAL_H

#include <microhttpd.h>

#include "base/list.h"
#include "call.h"
#include "http.h"
#include "net/address.h"
#include "target.h"

struct admin_http {
    struct admin_http_conf conf;
    struct MHD_Daemon *daemon;
    struct ev_io acceptable, turning;
    struct ev_timer timeout; /* libmicrohttpd's next deadline */
    struct ev_timer sweep;   /* once per second: find slow clients and closed connections */
    struct list peers;       /* of struct admin_peer, longest idle first */
    unsigned n_peers, n_held;
    uint64_t refusals_logged;       /* token bucket of admin.refused */
    bool stopping;                  /* calls can no longer be held */
    const struct address *arriving; /* source of the connection that is being added, or null */
};

/* One connection. */
struct admin_peer {
    struct list link;
    struct admin_http *http;
    int fd;                        /* owned by libmicrohttpd */
    char source[ADDRESS_TEXT_MAX]; /* for the log */
    uint64_t deadline_us;          /* not used while the call is held */
    struct admin_call *call;       /* null between requests */
    bool answered;                 /* the response is being sent */
};

/* One request, from its first line to the end of its response. */
struct admin_call {
    struct admin_http *http;
    struct admin_peer *peer;
    struct MHD_Connection *connection;
    const char *method; /* owned by libmicrohttpd */
    char *raw;          /* owned: the request target, still encoded */
    struct admin_target target;
    char *bytes; /* owned: the body received so far */
    size_t n_bytes;
    json_t *body;                  /* owned; null = not parsed yet */
    bool begun;                    /* the head has been checked */
    bool ends;                     /* close the connection after this response */
    bool refused;                  /* discard the rest of the body */
    struct MHD_Response *response; /* owned until queued; null = no response yet */
    unsigned status;
    bool held;      /* the handler answers later */
    bool suspended; /* libmicrohttpd ignores the connection until it is resumed */
    bool left;      /* the client has closed the connection */
    void (*gone)(void *arg);
    void *arg;
};

/* connections.c: run libmicrohttpd's pending work. Must not be called from its callbacks. */
void admin_connections_run(struct admin_http *http);
void admin_connections_start(struct admin_http *http, int epoll_fd);
void admin_connections_stop(struct admin_http *http);
void admin_peer_note(struct admin_http *http, struct MHD_Connection *connection, void **context,
                     enum MHD_ConnectionNotificationCode code);
void admin_peer_busy(struct admin_peer *peer, struct admin_call *call);
void admin_peer_answered(struct admin_peer *peer);
void admin_peer_idle(struct admin_peer *peer);

/* guard.c: reject a bad request, first by its head, then by its body. */
void admin_guard_head(struct admin_call *call);
void admin_guard_body(struct admin_call *call); /* on success sets call->body */
void admin_guard_too_large(struct admin_call *call);

/* call.c: call `gone` after the client has closed, so that the handler does not answer. */
void admin_call_abandon(struct admin_call *call);

#endif
