/*
 * tls.c - load and free the TLS contexts of one worker.
 */
#include "proxy/worker/tls.h"

#include <stdio.h>
#include <stdlib.h>

struct worker_tls *worker_tls_new(const struct snapshot *snapshot)
{
    struct worker_tls *tls = calloc(1, sizeof(*tls));
    if (!tls)
        return NULL;
    tls->n_listeners = snapshot->n_bindings;
    tls->n_clusters = snapshot->config->n_clusters;
    tls->listeners = calloc(tls->n_listeners, sizeof(struct tls_context *));
    tls->clusters = calloc(tls->n_clusters, sizeof(struct tls_client_context *));
    tls->keys = calloc(tls->n_listeners, sizeof(struct tls_ticket_keys *));
    if (tls->listeners && tls->clusters && tls->keys)
        return tls;
    worker_tls_free(tls);
    return NULL;
}

static bool load_listeners(struct worker_tls *tls, struct tls_library *library,
                           const struct snapshot *snapshot, struct tls_ticket_keys *const *keys,
                           char error[WORKER_TLS_ERROR_MAX])
{
    char why[TLS_ERROR_MAX];
    for (size_t i = 0; i < tls->n_listeners; i++) {
        const struct listener_conf *conf = snapshot->bindings[i].conf;
        if (!conf->tls)
            continue;
        tls->listeners[i] = tls_context_new(library, conf->tls, keys[i], why);
        if (!tls->listeners[i]) {
            (void)snprintf(error, WORKER_TLS_ERROR_MAX, "listener %.128s: %s", conf->name, why);
            return false;
        }
    }
    return true;
}

static bool load_clusters(struct worker_tls *tls, struct tls_library *library,
                          const struct config *config, char error[WORKER_TLS_ERROR_MAX])
{
    char why[TLS_ERROR_MAX];
    for (size_t i = 0; i < tls->n_clusters; i++) {
        const struct cluster_conf *conf = &config->clusters[i];
        if (!conf->tls)
            continue;
        tls->clusters[i] = tls_client_context_new(library, conf->tls, why);
        if (!tls->clusters[i]) {
            (void)snprintf(error, WORKER_TLS_ERROR_MAX, "cluster %.128s: %s", conf->name, why);
            return false;
        }
    }
    return true;
}

struct worker_tls *worker_tls_load(struct tls_library *library, const struct snapshot *snapshot,
                                   struct tls_ticket_keys *const *keys,
                                   char error[WORKER_TLS_ERROR_MAX])
{
    struct worker_tls *tls = worker_tls_new(snapshot);
    if (!tls) {
        (void)snprintf(error, WORKER_TLS_ERROR_MAX, "out of memory");
        return NULL;
    }
    if (load_listeners(tls, library, snapshot, keys, error) &&
        load_clusters(tls, library, snapshot->config, error))
        return tls;
    worker_tls_free(tls);
    return NULL;
}

void worker_tls_free(struct worker_tls *tls)
{
    if (!tls)
        return;
    for (size_t i = 0; tls->listeners && i < tls->n_listeners; i++)
        tls_context_free(tls->listeners[i]);
    for (size_t i = 0; tls->clusters && i < tls->n_clusters; i++)
        tls_client_context_free(tls->clusters[i]);
    for (size_t i = 0; tls->keys && i < tls->n_listeners; i++)
        tls_ticket_keys_unref(tls->keys[i]);
    free(tls->listeners);
    free(tls->clusters);
    free(tls->keys);
    free(tls);
}
