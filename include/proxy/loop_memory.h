/*
 * loop_memory.h - memory for libev, which aborts the process when one of its arrays cannot grow.
 *
 * A loop's arrays (descriptors, timers, what is due) grow by doubling, when a session comes. With
 * a reserve for one such growth of each, a shortage refuses new sessions, and those that are
 * there go on.
 */
#ifndef PROXY_LOOP_MEMORY_H
#define PROXY_LOOP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

/*
 * Set a reserve aside and make it libev's, for all loops of the process. Before the first loop,
 * once. Address space only: pages are touched in a shortage and not before.
 *
 *   descriptors   the most that may be open
 *   loops         that may be made, the main thread's among them
 *
 * False when there is no memory for it: libev keeps its own allocator.
 */
MUST_USE bool loop_memory_init(size_t descriptors, unsigned loops);

/* Is the reserve in use, and memory still short? Then no session may come. From any thread. */
MUST_USE bool loop_memory_is_short(void);

/* When no loop is left: the reserve goes back. */
void loop_memory_fini(void);

#endif
