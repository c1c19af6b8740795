/*
 * node_live.c - the registry of the nodes' live records.
 *
 * Only the main thread creates and frees records. The registry holds a reference to each record, so
 * a worker's unref never frees it.
 */
#include "proxy/node_live.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void node_registry_init(struct node_registry *registry, unsigned workers)
{
    list_init(&registry->records);
    registry->workers = workers;
    atomic_init(&registry->status_version, 0);
    atomic_init(&registry->recounts, 0);
}

static void record_free(struct node_live *live)
{
    list_remove(&live->link);
    free(live->seats);
    free((char *)(uintptr_t)live->cluster);
    free((char *)(uintptr_t)live->name);
    free(live);
}

void node_registry_fini(struct node_registry *registry)
{
    node_registry_sweep(registry);
    assert(list_empty(&registry->records));
}

void node_registry_sweep(struct node_registry *registry)
{
    for (struct list *l = registry->records.next, *next; l != &registry->records; l = next) {
        next = l->next;
        struct node_live *live = CONTAINER_OF(l, struct node_live, link);
        /* acquire: pairs with the release of the last unref */
        if (atomic_load_explicit(&live->refs, memory_order_acquire) == 1)
            record_free(live);
    }
}

static struct node_live *find(const struct node_registry *registry, const char *cluster,
                              const char *name)
{
    for (struct list *l = registry->records.next; l != &registry->records; l = l->next) {
        struct node_live *live = CONTAINER_OF(l, struct node_live, link);
        if (strcmp(live->name, name) == 0 && strcmp(live->cluster, cluster) == 0)
            return live;
    }
    return NULL;
}

static bool seats_init(struct node_live *live, unsigned workers)
{
    live->n_seats = workers;
    live->seats = aligned_alloc(_Alignof(struct node_seat),
                                (workers ? workers : 1) * sizeof(struct node_seat));
    for (unsigned i = 0; live->seats && i < workers; i++) {
        list_init(&live->seats[i].waiting);
        list_init(&live->seats[i].clean);
        list_init(&live->seats[i].kept);
        for (int cause = 0; cause < OFF_HOME_CAUSE_COUNT; cause++)
            list_init(&live->seats[i].off_home[cause]);
    }
    return live->seats;
}

struct node_live *node_registry_get(struct node_registry *registry, const char *cluster,
                                    const char *name)
{
    struct node_live *live = find(registry, cluster, name);
    if (live) {
        node_live_ref(live);
        return live;
    }
    live = calloc(1, sizeof(*live));
    if (!live)
        return NULL;
    list_init(&live->link);
    live->cluster = strdup(cluster);
    live->name = strdup(name);
    if (!live->cluster || !live->name || !seats_init(live, registry->workers)) {
        record_free(live);
        return NULL;
    }
    atomic_init(&live->refs, 2); /* one for the registry, one for the caller */
    list_append(&registry->records, &live->link);
    return live;
}

void node_live_ref(struct node_live *live)
{
    atomic_fetch_add_explicit(&live->refs, 1, memory_order_relaxed);
}

void node_live_unref(struct node_live *live)
{
    if (live)
        atomic_fetch_sub_explicit(&live->refs, 1, memory_order_release);
}

void node_live_set_status(struct node_registry *registry, struct node_live *live,
                          enum node_status status)
{
    atomic_store_explicit(&live->status, status, memory_order_relaxed);
    /* release: pairs with the acquire in cluster_view.c; the new version implies the new status */
    atomic_fetch_add_explicit(&registry->status_version, 1, memory_order_release);
}
