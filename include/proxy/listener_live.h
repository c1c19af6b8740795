/*
 * listener_live.h - the live record of a listener: one per listener name, shared by all workers. It
 * outlives snapshots. A session holds a reference until it ends.
 */
#ifndef PROXY_LISTENER_LIVE_H
#define PROXY_LISTENER_LIVE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/util.h"

struct listener_live {
    _Atomic uint32_t refs;        /* unref: release; the last one also acquires */
    _Atomic uint32_t connections; /* currently open, on all addresses and workers; relaxed */
    _Atomic uint64_t accepted;    /* total; relaxed */
    char name[];
};

/* The caller owns the first reference. Returns null if out of memory. */
MUST_USE struct listener_live *listener_live_new(const char *name);

/* These two may be called from any thread. */
struct listener_live *listener_live_ref(struct listener_live *live);
void listener_live_unref(struct listener_live *live); /* null is allowed */

#endif
