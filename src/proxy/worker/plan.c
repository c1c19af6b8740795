/*
 * plan.c - what the main thread makes ready for a worker, and how it is taken up.
 *
 * Made on the main thread with everything that can fail; taken up on the worker's, between
 * two turns of its loop, by moving pointers. Sockets of unchanged doors move from the old
 * listener to the new one: closing a SO_REUSEPORT socket would drop its accept queue.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/listener.h"
#include "worker.h"

/* ---- made on the main thread ---- */

static bool add_cluster_views(struct worker_plan *plan, const struct worker *w)
{
    const size_t n = plan->snapshot->config->n_clusters;
    plan->cluster_views = calloc(n, sizeof(*plan->cluster_views));
    for (size_t i = 0; plan->cluster_views && i < n; i++) {
        plan->cluster_views[i] = cluster_view_new(plan->snapshot, i, w->core.shared->registry);
        if (!plan->cluster_views[i])
            return false;
    }
    return plan->cluster_views;
}

static void close_from(const struct worker_socket *sockets, size_t at, size_t n)
{
    for (; at < n; at++)
        if (sockets[at].fd >= 0)
            close(sockets[at].fd);
}

static bool add_listeners(struct worker_plan *plan, const struct worker_socket *sockets,
                          char error[WORKER_TLS_ERROR_MAX])
{
    const size_t n = plan->snapshot->n_bindings;
    plan->listeners = calloc(n, sizeof(*plan->listeners));
    plan->takes_over = calloc(n, sizeof(*plan->takes_over));
    (void)snprintf(error, WORKER_TLS_ERROR_MAX, "out of memory");
    if (!plan->listeners || !plan->takes_over) {
        close_from(sockets, 0, n);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const struct binding *binding = &plan->snapshot->bindings[i];
        plan->takes_over[i] = sockets[i].takes_over;
        plan->listeners[i] = listener_new(plan->snapshot, binding, sockets[i].fd);
        if (plan->listeners[i]) {
            plan->listeners[i]->cluster_view =
                cluster_view_ref(plan->cluster_views[binding->conf->cluster]);
            continue;
        }
        (void)snprintf(error, WORKER_TLS_ERROR_MAX, "listener %.128s: %s", binding->conf->name,
                       strerrordesc_np(errno));
        close_from(sockets, i + 1, n);
        return false;
    }
    return true;
}

struct worker_plan *worker_plan_new(struct worker *w, struct snapshot *snapshot,
                                    struct worker_socket *sockets,
                                    struct tls_ticket_keys *const *keys,
                                    char error[WORKER_TLS_ERROR_MAX])
{
    struct worker_plan *plan = calloc(1, sizeof(*plan));
    (void)snprintf(error, WORKER_TLS_ERROR_MAX, "out of memory");
    if (plan)
        plan->snapshot = snapshot_ref(snapshot);
    if (!plan || !add_cluster_views(plan, w)) {
        if (sockets)
            close_from(sockets, 0, snapshot->n_bindings);
        worker_plan_free(plan);
        return NULL;
    }
    if (!sockets)
        return plan;
    if (add_listeners(plan, sockets, error))
        plan->tls = worker_tls_load(w->tls_library, snapshot, keys, error);
    if (plan->tls)
        return plan;
    worker_plan_free(plan);
    return NULL;
}

void worker_plan_free(struct worker_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; plan->listeners && i < plan->snapshot->n_bindings; i++)
        listener_unref(plan->listeners[i]);
    for (size_t i = 0; plan->cluster_views && i < plan->snapshot->config->n_clusters; i++)
        cluster_view_unref(plan->cluster_views[i]);
    free(plan->listeners);
    free(plan->takes_over);
    free(plan->cluster_views);
    worker_tls_free(plan->tls);
    snapshot_unref(plan->snapshot);
    free(plan);
}

bool worker_give_tls(struct worker *w, struct worker_tls *tls)
{
    struct worker_plan *plan = calloc(1, sizeof(*plan));
    if (!plan) {
        worker_tls_free(tls);
        return false;
    }
    plan->tls = tls;
    worker_give_plan(w, plan);
    return true;
}

/* ---- taken up on the worker's thread ---- */

/* Put what was loaded in its place; what was there goes with the connections that use it. */
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

/* With the same configuration: each cluster has other nodes, and the TLS it had. */
static void keep_tls(struct worker *w, struct cluster_view **cluster_views)
{
    for (size_t i = 0; i < w->core.n_cluster_views; i++)
        if (w->core.cluster_views[i]->tls)
            cluster_views[i]->tls = tls_client_context_ref(w->core.cluster_views[i]->tls);
}

static void take_cluster_views(struct worker *w, struct worker_plan *plan)
{
    if (!plan->listeners)
        keep_tls(w, plan->cluster_views);
    for (size_t i = 0; i < w->core.n_cluster_views; i++)
        cluster_view_unref(w->core.cluster_views[i]);
    free(w->core.cluster_views);
    w->core.cluster_views = plan->cluster_views;
    w->core.n_cluster_views = plan->snapshot->config->n_clusters;
    plan->cluster_views = NULL;
}

/* The doors stay as they are and lead to the clusters' new nodes. */
static void turn_listeners(struct worker *w)
{
    for (size_t i = 0; i < w->n_listeners; i++) {
        struct listener *listener = w->listeners[i];
        cluster_view_unref(listener->cluster_view);
        listener->cluster_view = cluster_view_ref(w->core.cluster_views[listener->conf->cluster]);
    }
}

static void take_listeners(struct worker *w, struct worker_plan *plan)
{
    struct listener **old = w->listeners;
    const size_t n_old = w->n_listeners;
    w->listeners = plan->listeners;
    w->n_listeners = plan->snapshot->n_bindings;
    plan->listeners = NULL;
    for (size_t i = 0; i < w->n_listeners; i++)
        if (w->listeners[i]->fd < 0)
            listener_take_over(w->listeners[i], old[plan->takes_over[i]]);
    for (size_t i = 0; i < n_old; i++) {
        worker_retire_listener(w, old[i]);
        listener_unref(old[i]);
    }
    free(old);
}

/* Never less than a few blocks: with two, one session would be closed for the next. */
static uint64_t share_of_memory(const struct worker *w)
{
    const uint64_t least = 8 * (uint64_t)w->core.relay_pool.size;
    const uint64_t share =
        w->core.snapshot->config->limits.relay_memory_bytes / w->core.shared->registry->workers;
    return w->core.snapshot->config->limits.relay_memory_bytes == 0 || share >= least ? share
                                                                                      : least;
}

void worker_take_plan(struct worker *w, struct worker_plan *plan)
{
    if (plan->snapshot) {
        struct snapshot *old = w->core.snapshot;
        bool listeners_too = plan->listeners;
        w->core.snapshot = snapshot_ref(plan->snapshot);
        w->core.held_max = share_of_memory(w);
        take_cluster_views(w, plan);
        if (listeners_too)
            take_listeners(w, plan);
        else
            turn_listeners(w);
        worker_begin_recount(w);
        snapshot_unref(old);
    }
    bool new_listeners = w->running && plan->takes_over;
    if (plan->tls)
        take_tls(w, plan->tls);
    for (size_t i = 0; new_listeners && i < w->n_listeners; i++)
        worker_start_listener(w, w->listeners[i]);
    if (ev_is_active(&w->accept_pause))
        worker_pause_listeners(w);
    worker_plan_free(plan);
}
