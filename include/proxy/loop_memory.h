/*
 * loop_memory.h - reserved memory for libev, which aborts the process if one of its arrays cannot
 * grow.
 *
 * When a session begins, the arrays of its loop (descriptors, timers, pending events) can double in
 * size. The reserve has room for doubling each of them once. When memory runs out, new sessions are
 * rejected and existing ones continue.
 */
#ifndef PROXY_LOOP_MEMORY_H
#define PROXY_LOOP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

/*
 * Allocate the reserve and set libev's allocator, for all loops of the process. Call this once,
 * before the first loop is created. The reserve takes only address space until it is needed.
 *
 *   descriptors   maximum number of open descriptors
 *   loops         maximum number of loops, including the main thread's
 *
 * Returns false if out of memory; libev then keeps its own allocator.
 */
MUST_USE bool loop_memory_init(size_t descriptors, unsigned loops);

/*
 * Return true if the reserve is in use and memory is still short: do not begin sessions.
 * Thread-safe.
 */
MUST_USE bool loop_memory_is_short(void);

/* Free the reserve. Call this after the last loop is destroyed. */
void loop_memory_fini(void);

#endif
