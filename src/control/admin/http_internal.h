/*
 * http_internal.h - the state of the admin interface's HTTP side, shared by its files.
 *
 *    admin_listen.c   connections: accepted, bounded, ended when they are slow
 *    admin_http.c     libmicrohttpd on our loop: requests in, answers out
 *    admin_guard.c    which requests are refused before a handler sees them
 *    admin_reply.c    what handlers call
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
    struct ev_timer timeout; /* when libmicrohttpd wants to be called */
    struct ev_timer sweep;   /* each second: who is slow, who has left */
    struct list peers;       /* struct admin_peer; who has waited longest for a request first */
    unsigned n_peers, n_held;
    uint64_t refusals_said;         /* the bucket of admin.refused */
    bool stopping;                  /* nothing is held any more */
    const struct address *arriving; /* whose connection is being handed over; null = none */
};

/* One connection. */
struct admin_peer {
    struct list link;
    struct admin_http *http;
    int fd;                        /* libmicrohttpd's */
    char source[ADDRESS_TEXT_MAX]; /* who it is, for the log */
    uint64_t deadline_us;          /* not while its call is held */
    struct admin_call *call;       /* null = between two requests */
    bool answered;                 /* the answer of its call is on its way */
};

/* One request, from its first line to the end of its answer. */
struct admin_call {
    struct admin_http *http;
    struct admin_peer *peer;
    struct MHD_Connection *connection;
    const char *method; /* libmicrohttpd's */
    char *raw;          /* owned: the target as it came */
    struct admin_target target;
    char *bytes; /* owned: the body as it comes */
    size_t n_bytes;
    json_t *body;                  /* owned; null = not read yet */
    bool begun;                    /* its head was looked at */
    bool ends;                     /* the connection, with this answer */
    bool refused;                  /* what is still coming of a body is not wanted */
    struct MHD_Response *response; /* owned until it is queued; null = not answered yet */
    unsigned status;
    bool held;      /* the answer comes later */
    bool suspended; /* libmicrohttpd leaves the connection alone meanwhile */
    bool left;      /* nobody waits for an answer */
    void (*gone)(void *arg);
    void *arg;
};

/* connections.c: let libmicrohttpd do its pending work. Never called from one of its callbacks. */
void admin_connections_run(struct admin_http *http);
void admin_connections_start(struct admin_http *http, int epoll_fd);
void admin_connections_stop(struct admin_http *http);
void admin_peer_note(struct admin_http *http, struct MHD_Connection *connection, void **context,
                     enum MHD_ConnectionNotificationCode code);
void admin_peer_busy(struct admin_peer *peer, struct admin_call *call);
void admin_peer_answered(struct admin_peer *peer);
void admin_peer_idle(struct admin_peer *peer);

/* admin_guard.c: answer what is to be refused, by its head and then by its body. */
void admin_guard_head(struct admin_call *call);
void admin_guard_body(struct admin_call *call); /* sets call->body when it is good */
void admin_guard_too_large(struct admin_call *call);

/* admin_reply.c: the peer has left: its handler hears of it, and does not answer. */
void admin_call_abandon(struct admin_call *call);

#endif
