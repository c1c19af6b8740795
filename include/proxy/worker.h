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
#include "proxy/worker_tls.h"

struct worker;

/* What the main thread can tell a worker; a later one outranks an earlier one. */
enum worker_order {
    WORKER_RUN,
    WORKER_DRAIN, /* stop accepting, close the sessions paced, end when none is left */
    WORKER_STOP   /* close everything now and end */
};

/* What the workers of a process share besides the snapshot. */
struct worker_shared {
    struct log *log;                 /* borrowed */
    const struct snapshot *snapshot; /* borrowed; outlives the workers */
    uint64_t boot_id;                /* upper bits of every session id */
    uint32_t max_connections;        /* of the whole process; set before the first thread starts */
    _Atomic uint64_t pause_said_us;  /* when `accept.paused` was last logged; relaxed */
    _Atomic uint32_t connections;    /* open client connections; relaxed, it orders nothing */
    void (*ended)(void *arg);        /* called by a worker's thread as its last act */
    void (*emptied)(void *arg);      /* called by a worker when most of its sessions have left */
    void *arg;                       /* theirs */
};

/*
 * Make a worker on the main thread: its loop, its TLS contexts, its pools.
 *
 *   fds     one listening socket for each of the snapshot's doors; taken, closed on failure too
 *   keys    the ticket keys of each door: the same on all workers, so a ticket resumes on any
 *   error   on failure, one line that says what is wrong
 */
MUST_USE struct worker *worker_new(struct worker_shared *shared, unsigned index, const int *fds,
                                   struct tls_ticket_keys *const *keys,
                                   char error[WORKER_TLS_ERROR_MAX]);

/* The library its TLS contexts have to be made with, on the main thread too. */
struct tls_library *worker_tls_library(const struct worker *w);

/*
 * From the main thread: put new contexts or ticket keys, taken, in the place of the present
 * ones. Live connections keep theirs. What it had been given before and not yet taken up is
 * merged into them.
 */
void worker_give_tls(struct worker *w, struct worker_tls *tls);

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
