/*
 * admit.h - admit a connection: by address, number and rate of its source, and by client
 * identifier.
 */
#ifndef PROXY_STAGES_ADMIT_H
#define PROXY_STAGES_ADMIT_H

#include <stdbool.h>

#include "base/util.h"

struct session;

/* Whether the peer's own address is trusted to name another address. */
bool admit_trusts_peer(const struct session *s);

/*
 * The session's source is final. False if it is rejected: s->arrival->reject_reason is set, and the
 * caller closes now, or later if it can refuse in MQTT. Checks once per session.
 */
MUST_USE bool admit_source(struct session *s);

/*
 * The CONNECT is complete. False if its client identifier connects too often and
 * limits.flapping.refuse is set: then s->arrival->reject_reason is set. Counts it in either case.
 */
MUST_USE bool admit_client(struct session *s);

/* The first node gets its CONNECT: count it, and log it if it begins a penalty. */
void admit_placed(struct session *s);

/*
 * Its node has accepted it: count it, and log it if its client identifier begins a penalty or is
 * contested.
 */
void admit_accepted(struct session *s);

/* The session ends: undo what admit_source() counted. */
void admit_leave(struct session *s);

#endif
