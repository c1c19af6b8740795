/*
 * admit.h - who may come in: by address, by how many and how often. For stages.
 */
#ifndef PROXY_STAGES_ADMIT_H
#define PROXY_STAGES_ADMIT_H

#include <stdbool.h>

#include "base/util.h"

struct session;

/* Is the peer's own address one of those whose word about another address counts? */
bool admit_trusts_peer(const struct session *s);

/*
 * The session's source is known for good. False when it must not come in: s->arrival->reject_reason
 * says why, and the caller closes now or, when it can say so in MQTT later, then. Asks once a
 * session.
 */
MUST_USE bool admit_source(struct session *s);

/*
 * Its CONNECT can be read. False if its client identifier connects too often and
 * limits.flapping.refuse is set: s->arrival->reject_reason has the reason. Counts it in either
 * case.
 */
MUST_USE bool admit_client(struct session *s);

/* The first node gets its CONNECT: it counts, and is logged if it begins a penalty. */
void admit_placed(struct session *s);

/* Its node has accepted it: it counts, and is logged if its client identifier begins a penalty or
 * is contested. */
void admit_accepted(struct session *s);

/* The session ends: give back what admit_source() counted. */
void admit_leave(struct session *s);

#endif
