/*
 * admit.h - admit or reject a session by the address and limits of its source, and by its client
 * identifier.
 */
#ifndef PROXY_STAGES_ADMIT_H
#define PROXY_STAGES_ADMIT_H

#include <stdbool.h>

#include "base/util.h"

struct session;

/* Return true if the peer is a trusted proxy, which may send the address of the device. */
bool admit_trusts_peer(const struct session *s);

/*
 * Check the source, once its address is final. If it is rejected, sets s->arrival->reject_reason
 * and returns false; the caller closes the session now, or later with a CONNACK. Checks only once
 * per session.
 */
MUST_USE bool admit_source(struct session *s);

/*
 * Check the client identifier of a complete CONNECT. If it connects too often and
 * limits.flapping.refuse is set, sets s->arrival->reject_reason and returns false. Counts a
 * flapping client in either case.
 */
MUST_USE bool admit_client(struct session *s);

/* Count a CONNECT that is sent to its first node; log it if it begins a penalty. */
void admit_placed(struct session *s);

/* Count a CONNECT that its node has accepted; log it if it begins a penalty or is contested. */
void admit_accepted(struct session *s);

/* Undo the counting of admit_source() when the session ends. */
void admit_leave(struct session *s);

#endif
