/*
 * tls.h - what one worker needs for TLS on all its doors and towards all its clusters,
 * loaded as a whole: on the main thread, so that a broken file is found before anything changes.
 */
#ifndef PROXY_WORKER_TLS_H
#define PROXY_WORKER_TLS_H

#include <stddef.h>

#include "base/util.h"
#include "net/tls/client.h"
#include "net/tls/context.h"
#include "proxy/snapshot.h"

struct worker_tls {
    size_t n_doors, n_clusters;           /* of the snapshot it was loaded for */
    struct tls_context **doors;           /* null entries: plain, or no news */
    struct tls_client_context **clusters; /* the same */
    struct tls_ticket_keys **keys; /* for each door, newer than its context's; null: no news */
};

#define WORKER_TLS_ERROR_MAX (TLS_ERROR_MAX + 256u)

/* Nothing in it, for news to be put in. Null when memory is short. */
MUST_USE struct worker_tls *worker_tls_new(const struct snapshot *snapshot);

/*
 * Load every certificate, key and authority the snapshot names.
 *
 *   keys    the ticket keys of each door; entries may be null
 *   error   on failure, one line that names the listener or cluster, the file and the rule
 *
 * Null on failure.
 */
MUST_USE struct worker_tls *worker_tls_load(struct tls_library *library,
                                            const struct snapshot *snapshot,
                                            struct tls_ticket_keys *const *keys,
                                            char error[WORKER_TLS_ERROR_MAX]);

/* Null is allowed. */
void worker_tls_free(struct worker_tls *tls);

#endif
