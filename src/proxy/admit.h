/*
 * admit.h - who may come in: by address, by how many and how often. For stages.
 */
#ifndef PROXY_ADMIT_H
#define PROXY_ADMIT_H

#include <stdbool.h>

#include "base/util.h"

struct session;

/* Is the peer's own address one of those whose word about another address counts? */
bool admit_trusts_peer(const struct session *s);

/*
 * The session's source is known for good. False when it must not come in: s->arrival->turned_away
 * says why, and the caller closes now or, when it can say so in MQTT later, then. Asks once a
 * session.
 */
MUST_USE bool admit_source(struct session *s);

/*
 * Its CONNECT can be read. False when its client identifier comes too often:
 * s->arrival->turned_away says so.
 */
MUST_USE bool admit_client(struct session *s);

/* A node gets its CONNECT, the first one: it counts. */
void admit_placed(struct session *s);

/* Its node has accepted it: what that shows of its client identifier is noted, and said. */
void admit_accepted(struct session *s);

/* The session ends: give back what admit_source() counted. */
void admit_leave(struct session *s);

#endif
