/*
 * memory.h - limit the waiting data of a worker, and choose the session to close when it is too
 * much.
 */
#ifndef PROXY_SESSION_MEMORY_H
#define PROXY_SESSION_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

struct session;

/* Return true if the session may hold n more bytes of a CONNECT and the data after it. */
MUST_USE bool memory_allows(const struct session *s, size_t n);

/* Update the count. Call this when the size of `first` or `answer` has changed. */
void memory_note_held(struct session *s);

/*
 * Call before a session pumps. If there is no room for data that the pump can leave waiting,
 * returns the other session whose data has waited longest; the caller closes it. Returns null if
 * there is room, or if no other session has waiting data.
 */
MUST_USE struct session *memory_victim(const struct session *s);

/*
 * Call after a session has pumped. `moved`: every direction with waiting data has moved some bytes,
 * so the session is slow but not stuck.
 */
void memory_note_waiting(struct session *s, bool moved);

#endif
