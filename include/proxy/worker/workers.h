/*
 * workers.h - the worker threads as the main thread uses them: start, update, read counters, join.
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

/* Modes, in order: a worker never goes back to an earlier one. */
enum worker_mode {
    WORKER_RUN,
    WORKER_DRAIN, /* stop accepting, close the sessions paced, end after the last one */
    WORKER_STOP   /* close everything now and end */
};

/* All workers of the process. */
struct workers {
    struct worker **list;
    unsigned n;
};

/*
 * Create a worker on the main thread: its loop, its pools. It does not listen until it gets an
 * update.
 */
MUST_USE struct worker *worker_new(struct worker_shared *shared, unsigned index,
                                   uint32_t relay_buffer_bytes);

/* The library that its TLS contexts must be created with, on the main thread too. */
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
void worker_update_free(struct worker_update *plan); /* one that was not sent; null is allowed */

/* From the main thread: apply an update, which is taken. Sessions are not affected. */
void worker_send_update(struct worker *w, struct worker_update *plan);

/*
 * From the main thread: replace TLS contexts or ticket keys; takes them. Live connections keep
 * theirs. False if memory is short: nothing changes.
 */
MUST_USE bool worker_send_tls(struct worker *w, struct worker_tls *tls);

/* From the main thread: check the nodes' records, which may require closing or moving sessions. */
void worker_wake(struct worker *w);

/* Start its thread. False with errno if the system cannot create one. */
MUST_USE bool worker_start(struct worker *w);

/* From the main thread: set the mode; the worker follows soon. */
void worker_set_mode(struct worker *w, enum worker_mode order);

/* Wait for the thread to end. */
void worker_join(struct worker *w);

/* Free a worker that has ended or was never started. Null is allowed. */
void worker_free(struct worker *w);

/* Its counters, which any thread may read. */
const struct counters *worker_counters(const struct worker *w);

#endif
