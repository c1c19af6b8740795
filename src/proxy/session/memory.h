/*
 * memory.h - how much a worker holds of data that waits, and who goes when it is too much.
 */
#ifndef PROXY_SESSION_MEMORY_H
#define PROXY_SESSION_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

struct session;

/* May the session hold n bytes more of a CONNECT or what is kept with it? */
MUST_USE bool memory_allows(const struct session *s, size_t n);

/* What it holds of these has changed. */
void memory_note_held(struct session *s);

/*
 * The session is about to pump: if there is no room for what that may leave waiting, returns the
 * other session whose data has waited longest, which the caller ends. Null = there is room, or no
 * other session has data waiting.
 */
MUST_USE struct session *memory_victim(const struct session *s);

/*
 * It has pumped. `moved`: every direction that has data waiting has moved some of it, so it is
 * slow and not stuck.
 */
void memory_note_waiting(struct session *s, bool moved);

#endif
