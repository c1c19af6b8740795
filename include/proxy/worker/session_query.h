/*
 * session_query.h - search the sessions of all workers.
 *
 * The main thread sends each worker a part of a query. The worker searches its sessions on its own
 * thread, SESSION_QUERY_SLICE per turn of its loop, and copies the matching ones into preallocated
 * memory. No thread waits: the last worker to finish notifies the main thread.
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

#define SESSION_QUERY_SLICE 512u  /* sessions checked per turn of the loop */
#define SESSION_QUERY_MAX   1000u /* maximum number of sessions in a result */

/* Maximum length of a copied name; longer names are truncated and marked as such. */
#define SESSION_FACT_NAME_MAX 128u

struct session_name {
    uint8_t n; /* bytes of text; SESSION_FACT_NAME_MAX + 1 = truncated */
    bool there;
    char text[SESSION_FACT_NAME_MAX + 1];
};

/* One session, copied. */
struct session_facts {
    uint64_t id;
    struct address source;
    struct listener_live *listener; /* a reference */
    struct node_live *node, *home;  /* references; null = none. home: null if at home */
    enum session_state stage;
    enum placement_kind placement; /* valid if `node` is set */
    uint8_t tries;
    uint8_t mqtt_version; /* 3, 4, 5; 0 = no CONNECT yet */
    uint16_t keep_alive_s;
    bool connack_seen, session_present;
    uint8_t connack_code;
    bool has_tls; /* to the router, or to a proxy in front of it */
    bool has_own_tls, tls_resumed, tls_detached;
    uint64_t bytes_up, bytes_down;
    uint64_t age_ms, stage_ms;
    struct session_name client_id, username, tls_version, tls_cn, sni;
};

/* A session must match every condition that is set. */
struct session_filter {
    bool by_id;
    uint64_t id;
    /* Absent = any. Only the first 129 bytes are compared, which is what a session stores. */
    struct span client_id;
    const char *node; /* "NODE" or "CLUSTER/NODE"; both may contain slashes; null = any */
    bool by_source;
    struct cidr source;
    uint32_t limit;  /* 1..SESSION_QUERY_MAX */
    bool disconnect; /* with by_id: copy the session, then close it (CLOSE_DISCONNECTED) */
};

struct session_query;

/* One worker's part of a query. */
struct session_part {
    struct session_query *query;
    struct session_part *next;   /* in the worker's mailbox */
    struct list link;            /* in the worker's active queries */
    struct session_walk walk;    /* used by the worker */
    struct session_facts *facts; /* room for filter.limit */
    size_t n;
    bool more;         /* the limit was reached and more sessions match */
    bool complete;     /* all sessions were checked */
    _Atomic bool done; /* the fields above may be read; the worker releases, the reader acquires */
};

/*
 * Create a query for n workers. Copies the filter. `alive` is the number of existing queries:
 * incremented here, decremented by the last unref, on any thread. `answered` is called on a
 * worker's thread when all parts sent so far are done; this can happen more than once while parts
 * are being sent. Returns null if out of memory.
 */
struct session_query_callback {
    void (*answered)(void *arg);
    void *arg;
    _Atomic uint32_t *alive;
};
MUST_USE struct session_query *session_query_new(const struct session_filter *terms, size_t n,
                                                 const struct session_query_callback *callback);

/* Send a part to a worker, from the main thread. The worker holds a reference until it is done. */
void session_query_send(struct session_query *query, size_t part, struct worker *w);

/* Cancel a query: parts that have not begun are skipped, and no session is disconnected. */
void session_query_cancel(struct session_query *query);

/* Return true if all parts that were sent are done. */
bool session_query_is_done(const struct session_query *query);

/* Return the i-th part if its worker has answered, else null; and the number of parts. */
const struct session_part *session_query_part(const struct session_query *query, size_t i);
size_t session_query_n(const struct session_query *query);

/* Release a reference, from any thread; the last one frees the query. Null is allowed. */
void session_query_unref(struct session_query *query);

/* Return the index of the worker that owns the session with this id. */
static inline unsigned session_id_worker(uint64_t id)
{
    return (unsigned)(id >> 32) & 0xffu;
}

#endif
