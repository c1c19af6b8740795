/*
 * workers.h - the worker threads as the main thread sees them: start, order, count, join.
 */
#ifndef PROXY_WORKER_WORKERS_H
#define PROXY_WORKER_WORKERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"
#include "base/util.h"
#include "net/tls/context.h"
#include "proxy/counters.h"
#include "proxy/snapshot.h"
#include "proxy/worker_shared.h"
#include "tls.h"

struct worker;

/* What the main thread can tell a worker; a later one outranks an earlier one. */
enum worker_mode {
    WORKER_RUN,
    WORKER_DRAIN, /* stop accepting, close the sessions paced, end when none is left */
    WORKER_STOP   /* close everything now and end */
};

/* All workers of the process. */
struct workers {
    struct worker **list;
    unsigned n;
};

/* Make a worker on the main thread: its loop, its pools. It does not listen until it gets a plan.
 */
MUST_USE struct worker *worker_new(struct worker_shared *shared, unsigned index,
                                   uint32_t relay_buffer_bytes);

/* The library its TLS contexts have to be made with, on the main thread too. */
struct tls_library *worker_tls_library(const struct worker *w);

/*
 * A snapshot for one worker, prepared on the main thread: applying it cannot fail.
 *
 *   sockets   for each binding of the snapshot: a new listening socket (taken, on failure too), or,
 *             if fd is -1, the index in the old snapshot of the binding whose socket it takes over.
 *             The other old sockets are closed after their pending connections are accepted.
 *             Null: configuration and listeners stay the same
 *   keys      the ticket keys of each binding, shared by all workers so that each can resume
 *   error     on failure, one line with the reason
 */
struct worker_update;
struct worker_socket {
    int fd;
    size_t takes_over;
};
MUST_USE struct worker_update *worker_update_new(struct worker *w, struct snapshot *snapshot,
                                                 struct worker_socket *sockets,
                                                 struct tls_ticket_keys *const *keys,
                                                 char error[WORKER_TLS_ERROR_MAX]);
void worker_update_free(struct worker_update *plan); /* one that was not given; null is allowed */

/* From the main thread: serve by this, taken, from now on. Sessions are not touched. */
void worker_send_update(struct worker *w, struct worker_update *plan);

/*
 * From the main thread: put new contexts or ticket keys, taken, in the place of the present
 * ones. Live connections keep theirs. False when memory is short: nothing changes.
 */
MUST_USE bool worker_send_tls(struct worker *w, struct worker_tls *tls);

/* From the main thread: look at the nodes' records, some say to close or move sessions. */
void worker_wake(struct worker *w);

/* Start its thread. False with errno when the system refuses one. */
MUST_USE bool worker_start(struct worker *w);

/* From the main thread: give an order; it is obeyed soon. */
void worker_set_mode(struct worker *w, enum worker_mode order);

/* Wait for the thread to end. */
void worker_join(struct worker *w);

/* Free a worker that has ended or was never started. Null is allowed. */
void worker_free(struct worker *w);

/* Its counters, to be read from any thread. */
const struct counters *worker_counters(const struct worker *w);

#endif
