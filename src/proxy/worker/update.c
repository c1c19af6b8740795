/*
 * update.c - prepare an update for a worker on the main thread, and apply it on the worker.
 *
 * Preparing does everything that can fail; applying only moves pointers, between two turns of the
 * loop. Sockets of unchanged bindings move from the old listener to the new one, because closing a
 * SO_REUSEPORT socket would drop its accept queue.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/listener.h"
#include "worker.h"

/* ---- on the main thread ---- */

static bool add_cluster_views(struct worker_update *update, const struct worker *w)
{
    const size_t n = update->snapshot->config->n_clusters;
    update->cluster_views = calloc(n, sizeof(*update->cluster_views));
    for (size_t i = 0; update->cluster_views && i < n; i++) {
        update->cluster_views[i] = cluster_view_new(update->snapshot, i, w->core.shared->registry);
        if (!update->cluster_views[i])
            return false;
    }
    return update->cluster_views;
}

static void close_from(const struct worker_socket *sockets, size_t at, size_t n)
{
    for (; at < n; at++)
        if (sockets[at].fd >= 0)
            close(sockets[at].fd);
}

static bool add_listeners(struct worker_update *update, const struct worker_socket *sockets,
                          char error[WORKER_TLS_ERROR_MAX])
{
    const size_t n = update->snapshot->n_bindings;
    update->listeners = calloc(n, sizeof(*update->listeners));
    update->takes_over = calloc(n, sizeof(*update->takes_over));
    (void)snprintf(error, WORKER_TLS_ERROR_MAX, "out of memory");
    if (!update->listeners || !update->takes_over) {
        close_from(sockets, 0, n);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const struct binding *binding = &update->snapshot->bindings[i];
        update->takes_over[i] = sockets[i].takes_over;
        update->listeners[i] = listener_new(update->snapshot, binding, sockets[i].fd);
        if (update->listeners[i]) {
            update->listeners[i]->cluster_view =
                cluster_view_ref(update->cluster_views[binding->conf->cluster]);
            continue;
        }
        (void)snprintf(error, WORKER_TLS_ERROR_MAX, "listener %.128s: %s", binding->conf->name,
                       strerrordesc_np(errno));
        close_from(sockets, i + 1, n);
        return false;
    }
    return true;
}

struct worker_update *worker_update_new(struct worker *w, struct snapshot *snapshot,
                                        struct worker_socket *sockets,
                                        struct tls_ticket_keys *const *keys,
                                        char error[WORKER_TLS_ERROR_MAX])
{
    struct worker_update *update = calloc(1, sizeof(*update));
    (void)snprintf(error, WORKER_TLS_ERROR_MAX, "out of memory");
    if (update)
        update->snapshot = snapshot_ref(snapshot);
    if (!update || !add_cluster_views(update, w)) {
        if (sockets)
            close_from(sockets, 0, snapshot->n_bindings);
        worker_update_free(update);
        return NULL;
    }
    if (!sockets)
        return update;
    if (add_listeners(update, sockets, error))
        update->tls = worker_tls_load(w->tls_library, snapshot, keys, error);
    if (update->tls)
        return update;
    worker_update_free(update);
    return NULL;
}

void worker_update_free(struct worker_update *update)
{
    if (!update)
        return;
    for (size_t i = 0; update->listeners && i < update->snapshot->n_bindings; i++)
        listener_unref(update->listeners[i]);
    for (size_t i = 0; update->cluster_views && i < update->snapshot->config->n_clusters; i++)
        cluster_view_unref(update->cluster_views[i]);
    free(update->listeners);
    free(update->takes_over);
    free(update->cluster_views);
    worker_tls_free(update->tls);
    snapshot_unref(update->snapshot);
    free(update);
}

bool worker_send_tls(struct worker *w, struct worker_tls *tls)
{
    struct worker_update *update = calloc(1, sizeof(*update));
    if (!update) {
        worker_tls_free(tls);
        return false;
    }
    update->tls = tls;
    worker_send_update(w, update);
    return true;
}

/* ---- on the worker's thread ---- */

/*
 * Replace the contexts by the loaded ones. The old ones are freed with the update, or with the last
 * connection that uses them.
 */
static void take_tls(struct worker *w, struct worker_tls *tls)
{
    assert(tls->n_listeners == w->n_listeners && tls->n_clusters == w->core.n_cluster_views);
    for (size_t i = 0; i < tls->n_listeners; i++) {
        struct listener *listener = w->listeners[i];
        struct tls_context *old = listener->tls;
        if (tls->listeners[i]) {
            listener->tls = tls->listeners[i];
            tls->listeners[i] = old;
        }
        if (tls->keys[i] && listener->tls)
            tls_context_set_ticket_keys(listener->tls, tls->keys[i]);
    }
    for (size_t i = 0; i < tls->n_clusters; i++) {
        struct tls_client_context *old = w->core.cluster_views[i]->tls;
        if (tls->clusters[i]) {
            w->core.cluster_views[i]->tls = tls->clusters[i];
            tls->clusters[i] = old;
        }
    }
}

/* Keep the TLS contexts of the clusters; only their nodes have changed. */
static void keep_tls(struct worker *w, struct cluster_view **cluster_views)
{
    for (size_t i = 0; i < w->core.n_cluster_views; i++)
        if (w->core.cluster_views[i]->tls)
            cluster_views[i]->tls = tls_client_context_ref(w->core.cluster_views[i]->tls);
}

static void take_cluster_views(struct worker *w, struct worker_update *update)
{
    if (!update->listeners)
        keep_tls(w, update->cluster_views);
    for (size_t i = 0; i < w->core.n_cluster_views; i++)
        cluster_view_unref(w->core.cluster_views[i]);
    free(w->core.cluster_views);
    w->core.cluster_views = update->cluster_views;
    w->core.n_cluster_views = update->snapshot->config->n_clusters;
    update->cluster_views = NULL;
}

/* Keep the listeners, but point them to the new views of their clusters. */
static void turn_listeners(struct worker *w)
{
    for (size_t i = 0; i < w->n_listeners; i++) {
        struct listener *listener = w->listeners[i];
        cluster_view_unref(listener->cluster_view);
        listener->cluster_view = cluster_view_ref(w->core.cluster_views[listener->conf->cluster]);
    }
}

static void take_listeners(struct worker *w, struct worker_update *update)
{
    struct listener **old = w->listeners;
    const size_t n_old = w->n_listeners;
    w->listeners = update->listeners;
    w->n_listeners = update->snapshot->n_bindings;
    update->listeners = NULL;
    for (size_t i = 0; i < w->n_listeners; i++)
        if (w->listeners[i]->fd < 0)
            listener_take_over(w->listeners[i], old[update->takes_over[i]]);
    for (size_t i = 0; i < n_old; i++) {
        worker_retire_listener(w, old[i]);
        listener_unref(old[i]);
    }
    free(old);
}

/*
 * The share is at least eight blocks: with only two, sessions would constantly displace each other.
 */
static uint64_t share_of_memory(const struct worker *w)
{
    const uint64_t least = 8 * (uint64_t)w->core.relay_pool.size;
    const uint64_t share =
        w->core.snapshot->config->limits.relay_memory_bytes / w->core.shared->registry->workers;
    return w->core.snapshot->config->limits.relay_memory_bytes == 0 || share >= least ? share
                                                                                      : least;
}

void worker_apply_update(struct worker *w, struct worker_update *update)
{
    if (update->snapshot) {
        struct snapshot *old = w->core.snapshot;
        bool listeners_too = update->listeners;
        w->core.snapshot = snapshot_ref(update->snapshot);
        w->core.held_max = share_of_memory(w);
        take_cluster_views(w, update);
        if (listeners_too)
            take_listeners(w, update);
        else
            turn_listeners(w);
        worker_begin_recount(w);
        snapshot_unref(old);
    }
    bool new_listeners = w->running && update->takes_over;
    if (update->tls)
        take_tls(w, update->tls);
    for (size_t i = 0; new_listeners && i < w->n_listeners; i++)
        worker_start_listener(w, w->listeners[i]);
    if (ev_is_active(&w->accept_pause))
        worker_pause_listeners(w);
    worker_update_free(update);
}
