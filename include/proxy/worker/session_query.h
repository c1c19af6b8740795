/*
 * session_query.h - ask the workers which sessions they have.
 *
 * The main thread gives each worker a part of a query; the worker looks through its sessions on
 * its own thread, SESSION_QUERY_SLICE of them in a turn of its loop, and writes down those that
 * match, into room that was made beforehand. Nobody waits for anybody: when the last worker has
 * answered, the main thread is told.
 */
#ifndef PROXY_WORKER_SESSION_QUERY_H
#define PROXY_WORKER_SESSION_QUERY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cidr.h"
#include "base/list.h"
#include "base/span.h"
#include "base/util.h"
#include "model/placement.h"
#include "net/address.h"
#include "proxy/listener_live.h"
#include "proxy/node_live.h"
#include "proxy/session_state.h"
#include "proxy/session_walk.h"

struct worker;

#define SESSION_QUERY_SLICE 512u  /* sessions that a worker looks at before others get a turn */
#define SESSION_QUERY_MAX   1000u /* the most that are told */

/* Bytes of a name that are kept; one that is longer is told as far as it is known, and marked. */
#define SESSION_FACT_NAME_MAX 128u

struct session_name {
    uint8_t n; /* bytes of text; SESSION_FACT_NAME_MAX + 1 = it goes on */
    bool there;
    char text[SESSION_FACT_NAME_MAX + 1];
};

/* One session, copied. */
struct session_facts {
    uint64_t id;
    struct address source;
    struct listener_live *listener; /* a reference */
    struct node_live *node, *home;  /* references; null = none. Home: where it would rather be */
    enum session_state stage;
    enum placement_kind placement; /* with a node */
    uint8_t tries;
    uint8_t mqtt_version; /* 3, 4, 5; 0 = no CONNECT yet */
    uint16_t keep_alive_s;
    bool connack_seen, session_present;
    uint8_t connack_code;
    bool has_tls, tls_resumed;
    uint64_t bytes_up, bytes_down;
    uint64_t age_ms, stage_ms;
    struct session_name client_id, username, tls_version, tls_cn, sni;
};

/* What is looked for; everything that is set has to be true of a session. */
struct session_filter {
    bool by_id;
    uint64_t id;
    /*
     * Absent = any. Of a client identifier beyond 128 bytes a session keeps the first 129: those
     * are compared then.
     */
    struct span client_id;
    const char *node; /* "NODE" or "CLUSTER/NODE"; both may hold slashes; null = any */
    bool by_source;
    struct cidr source;
    uint32_t limit;  /* 1..SESSION_QUERY_MAX */
    bool disconnect; /* with by_id: end it, CLOSE_DISCONNECTED, after its facts are written down */
};

struct session_query;

/* One worker's part. */
struct session_part {
    struct session_query *query;
    struct session_part *next;   /* in the worker's mailbox */
    struct list link;            /* among those the worker is at */
    struct session_walk walk;    /* the worker's: over its sessions */
    struct session_facts *facts; /* room for terms.limit */
    size_t n;
    bool more;     /* there are others beyond the limit */
    bool complete; /* it has looked at all of them */
    _Atomic bool
        done; /* all of the above may be read: release by the worker, acquire by the reader */
};

/*
 * A query for n workers. The terms are copied. `alive` counts the queries there are: one more now,
 * one less when the last who holds it lets go, on whatever thread. `answered` is called on a
 * worker's thread when no part is pending, perhaps more than once while they are being asked. Null
 * when memory is short.
 */
struct session_query_callback {
    void (*answered)(void *arg);
    void *arg;
    _Atomic uint32_t *alive;
};
MUST_USE struct session_query *session_query_new(const struct session_filter *terms, size_t n,
                                                 const struct session_query_callback *callback);

/* From the main thread: have a worker look. A reference is the worker's until it has. */
void session_query_send(struct session_query *query, size_t part, struct worker *w);

/* Nobody wants to know any more: who has not begun need not, and nothing is disconnected. */
void session_query_cancel(struct session_query *query);

/* Have all workers that were asked answered? */
bool session_query_is_done(const struct session_query *query);

/* The i-th part, once its worker has answered, else null; n = how many there are. */
const struct session_part *session_query_part(const struct session_query *query, size_t i);
size_t session_query_n(const struct session_query *query);

/* From any thread. The last one frees it. Null is allowed. */
void session_query_unref(struct session_query *query);

/* Which worker has a session of this id? */
static inline unsigned session_id_worker(uint64_t id)
{
    return (unsigned)(id >> 32) & 0xffu;
}

#endif
