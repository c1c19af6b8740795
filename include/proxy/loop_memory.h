/*
 * loop_memory.h - reserved memory for libev, which aborts the process if one of its arrays cannot
 * grow.
 *
 * A loop's arrays (descriptors, timers, pending events) grow by doubling when a session begins.
 * With a reserve for one such growth of each, a shortage refuses new sessions, and the others
 * continue.
 */
#ifndef PROXY_LOOP_MEMORY_H
#define PROXY_LOOP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

/*
 * Allocate the reserve and install the allocator of libev, for all loops of the process. Once,
 * before the first loop. Only address space: pages are touched in a shortage.
 *
 *   descriptors   the maximum of open descriptors
 *   loops         the maximum of loops, that of the main thread included
 *
 * False if there is no memory for it: libev keeps its own allocator.
 */
MUST_USE bool loop_memory_init(size_t descriptors, unsigned loops);

/*
 * Whether the reserve is in use and memory still short. Then no session may begin. From any thread.
 */
MUST_USE bool loop_memory_is_short(void);

/* Free the reserve, after the last loop. */
void loop_memory_fini(void);

#endif
