/*
 * listener_live.h - the live record of a listener, shared by all workers: one per listener, matched
 * by name, which outlives every snapshot. A session holds a reference for its whole life.
 */
#ifndef PROXY_LISTENER_LIVE_H
#define PROXY_LISTENER_LIVE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/util.h"

struct listener_live {
    _Atomic uint32_t refs;        /* release on unref, acquire by the last */
    _Atomic uint32_t connections; /* open now, over all addresses and workers; relaxed */
    _Atomic uint64_t accepted;    /* total; relaxed */
    char name[];
};

/* One reference, for the caller; null if memory is short. */
MUST_USE struct listener_live *listener_live_new(const char *name);

/* From any thread. */
struct listener_live *listener_live_ref(struct listener_live *live);
void listener_live_unref(struct listener_live *live); /* null is allowed */

#endif
