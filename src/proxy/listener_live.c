/*
 * listener_live.c - the record of a listener that outlives snapshots.
 */
#include "proxy/listener_live.h"

#include <stdlib.h>
#include <string.h>

struct listener_live *listener_live_new(const char *name)
{
    size_t n = strlen(name) + 1;
    struct listener_live *live = malloc(sizeof(*live) + n);
    if (!live)
        return NULL;
    atomic_init(&live->refs, 1);
    atomic_init(&live->connections, 0);
    atomic_init(&live->accepted, 0);
    memcpy(live->name, name, n);
    return live;
}

struct listener_live *listener_live_ref(struct listener_live *live)
{
    atomic_fetch_add_explicit(&live->refs, 1, memory_order_relaxed);
    return live;
}

void listener_live_unref(struct listener_live *live)
{
    if (live && atomic_fetch_sub_explicit(&live->refs, 1, memory_order_acq_rel) == 1)
        free(live);
}
