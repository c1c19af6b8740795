/*
 * tls.h - the TLS contexts of one worker, for all its listeners and clusters. They are loaded
 * together on the main thread, so that an invalid file is found before anything changes.
 */
#ifndef PROXY_WORKER_TLS_H
#define PROXY_WORKER_TLS_H

#include <stddef.h>

#include "base/util.h"
#include "net/tls/client.h"
#include "net/tls/context.h"
#include "proxy/snapshot.h"

struct worker_tls {
    size_t n_listeners, n_clusters;       /* of the snapshot they were loaded for */
    struct tls_context **listeners;       /* a null entry = no TLS, or unchanged */
    struct tls_client_context **clusters; /* the same */
    struct tls_ticket_keys **keys;        /* new keys per listener; null = unchanged */
};

#define WORKER_TLS_ERROR_MAX (TLS_ERROR_MAX + 256u)

/* Create an empty set; the caller fills in what has changed. Returns null if out of memory. */
MUST_USE struct worker_tls *worker_tls_new(const struct snapshot *snapshot);

/*
 * Load every certificate, private key and CA file that the snapshot names.
 *
 *   keys    the ticket keys of each binding; entries may be null
 *   error   on failure, one line that names the listener or cluster, the file and the rule
 *
 * Returns null on failure.
 */
MUST_USE struct worker_tls *worker_tls_load(struct tls_library *library,
                                            const struct snapshot *snapshot,
                                            struct tls_ticket_keys *const *keys,
                                            char error[WORKER_TLS_ERROR_MAX]);

/* Null is allowed. */
void worker_tls_free(struct worker_tls *tls);

#endif
