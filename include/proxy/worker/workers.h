/*
 * workers.h - the main thread's interface to the workers: start, update, read counters, join.
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

/* A worker only moves forward through these modes. */
enum worker_mode {
    WORKER_RUN,
    WORKER_DRAIN, /* stop accepting, close sessions gradually, end after the last one */
    WORKER_STOP   /* close all sessions now and end */
};

/* All workers of the process. */
struct workers {
    struct worker **list;
    unsigned n;
};

/*
 * Create a worker, on the main thread. It listens after its first update. Returns null on failure.
 */
MUST_USE struct worker *worker_new(struct worker_shared *shared, unsigned index,
                                   uint32_t relay_buffer_bytes);

/* Return the worker's TLS library. The main thread uses it to create the worker's TLS contexts. */
struct tls_library *worker_tls_library(const struct worker *w);

/*
 * Prepare a snapshot for one worker, on the main thread. Applying it cannot fail.
 *
 *   sockets   per binding of the snapshot: a new listening socket (taken, on failure too), or fd -1
 *             and the index of the old snapshot's binding whose socket it takes over. The other old
 *             sockets are closed after their pending connections are accepted. Null = configuration
 *             and listeners are unchanged
 *   keys      ticket keys per binding, the same for all workers, so that each can resume TLS
 *             sessions
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

/* Free an update that was not sent; null is allowed. */
void worker_update_free(struct worker_update *update);

/*
 * Send an update to the worker, from the main thread. Takes the update. Sessions are not affected.
 */
void worker_send_update(struct worker *w, struct worker_update *update);

/*
 * Replace TLS contexts or ticket keys, from the main thread. Takes `tls`. Open connections keep
 * their contexts. Returns false if out of memory; nothing changes then.
 */
MUST_USE bool worker_send_tls(struct worker *w, struct worker_tls *tls);

/*
 * Make the worker check the nodes' records for sessions to close or move. Call on the main thread.
 */
void worker_wake(struct worker *w);

/* Start the worker's thread. Returns false with errno if it cannot be created. */
MUST_USE bool worker_start(struct worker *w);

/* Set the worker's mode, from the main thread, and wake the worker to apply it. */
void worker_set_mode(struct worker *w, enum worker_mode mode);

/* Wait for the thread to end. */
void worker_join(struct worker *w);

/* Free a worker that has ended or was never started. Null is allowed. */
void worker_free(struct worker *w);

/* Return the worker's counters. Any thread may read them. */
const struct counters *worker_counters(const struct worker *w);

#endif
