/*
 * worker.h - the worker threads as the main thread sees them: start, order, count, join.
 */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"
#include "base/util.h"
#include "net/tls_context.h"
#include "proxy/counters.h"
#include "proxy/snapshot.h"

struct worker;

/* What the main thread can tell a worker; a later one outranks an earlier one. */
enum worker_order {
    WORKER_RUN,
    WORKER_DRAIN, /* stop accepting, close the sessions paced, end when none is left */
    WORKER_STOP   /* close everything now and end */
};

/* What the workers of a process share besides the snapshot. */
struct worker_shared {
    struct log *log;                     /* borrowed */
    const struct snapshot *snapshot;     /* borrowed; outlives the workers */
    struct tls_ticket_keys *ticket_keys; /* owned; the same on all, so a ticket resumes on any */
    uint64_t boot_id;                    /* upper bits of every session id */
    _Atomic uint32_t connections;        /* open client connections; relaxed, it orders nothing */
    void (*ended)(void *arg);            /* called by a worker's thread as its last act */
    void (*emptied)(void *arg); /* called by a worker when most of its sessions have left */
    void *arg;                  /* theirs */
};

/*
 * Make a worker on the main thread: its loop, its TLS contexts, its pools.
 *
 *   fds     one listening socket for each configured listener; taken, closed on failure too
 *   error   on failure, one line that says what is wrong
 */
#define WORKER_ERROR_MAX (TLS_ERROR_MAX + 256u)
MUST_USE struct worker *worker_new(struct worker_shared *shared, unsigned index, const int *fds,
                                   char error[WORKER_ERROR_MAX]);

/* Start its thread. False with errno when the system refuses one. */
MUST_USE bool worker_start(struct worker *w);

/* From the main thread: give an order; it is obeyed soon. */
void worker_order(struct worker *w, enum worker_order order);

/* Wait for the thread to end. */
void worker_join(struct worker *w);

/* Free a worker that has ended or was never started. Null is allowed. */
void worker_free(struct worker *w);

/* Its counters, to be read from any thread. */
const struct counters *worker_counters(const struct worker *w);

#endif
