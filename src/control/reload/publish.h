/*
 * publish.h - make all workers serve by a snapshot, or none.
 */
#ifndef CONTROL_RELOAD_PUBLISH_H
#define CONTROL_RELOAD_PUBLISH_H

#include <stdbool.h>

#include "base/util.h"
#include "proxy/worker/workers.h"

/* The workers of the process; borrowed. */
struct workers {
    struct worker **list;
    unsigned n;
};

/* One plan for each worker, ready to be given. Null entries: none. */
struct publication {
    const struct workers *workers;
    struct worker_plan **plans; /* owned */
};

/*
 * Make a plan for every worker.
 *
 *   doors   as listening_open() filled them; taken, on failure too; null = doors and
 *           configuration stay, only the clusters have other nodes
 *   keys    the ticket keys of each door; null without doors
 *
 * On failure there is nothing in *out, and `error` has one line.
 */
MUST_USE bool publication_prepare(struct publication *out, const struct workers *workers,
                                  struct snapshot *snapshot, struct worker_socket *sockets,
                                  struct tls_ticket_keys *const *keys,
                                  char error[WORKER_TLS_ERROR_MAX]);

/* Give the plans, or drop them. The publication is empty then. */
void publication_commit(struct publication *publication);
void publication_drop(struct publication *publication);

#endif
