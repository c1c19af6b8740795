/*
 * listener_live.h - what all workers know of a listener at this moment: one record a listener,
 * matched by name, that outlives every snapshot. A session holds on to it as long as it lives.
 */
#ifndef PROXY_LISTENER_LIVE_H
#define PROXY_LISTENER_LIVE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/util.h"

struct listener_live {
    _Atomic uint32_t refs;        /* release when one goes, acquire by the last */
    _Atomic uint32_t connections; /* open now, over all addresses and workers; relaxed */
    _Atomic uint64_t accepted;    /* ever; relaxed */
    char name[];
};

/* One reference, the caller's; null when memory is short. */
MUST_USE struct listener_live *listener_live_new(const char *name);

/* From any thread. */
struct listener_live *listener_live_ref(struct listener_live *live);
void listener_live_unref(struct listener_live *live); /* null is allowed */

#endif
