/*
 * memory.h - how much waiting data a worker holds, and which session to close when it is too much.
 */
#ifndef PROXY_SESSION_MEMORY_H
#define PROXY_SESSION_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

struct session;

/* Whether the session may hold n bytes more of a CONNECT and the bytes after it. */
MUST_USE bool memory_allows(const struct session *s, size_t n);

/* Call when the size of `first` or `answer` has changed. */
void memory_note_held(struct session *s);

/*
 * The session is about to pump: if there is no room for what that may leave waiting, returns the
 * other session whose data has waited longest, which the caller ends. Null = there is room, or no
 * other session has data waiting.
 */
MUST_USE struct session *memory_victim(const struct session *s);

/*
 * Call after a pump. `moved`: every direction with waiting data has moved some of it, so the
 * session is slow and not stuck.
 */
void memory_note_waiting(struct session *s, bool moved);

#endif
