/*
 * candidates.h - which node to try next, and what a try tells about its node. For DIAL and CONNACK.
 *
 * The candidate being tried is the one at s->tries - 1; the functions named candidate_*() are about
 * this one.
 */
#ifndef PROXY_STAGES_CANDIDATES_H
#define PROXY_STAGES_CANDIDATES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "model/close_reason.h"
#include "proxy/node_live.h"

struct node;
struct session;

/* Why the session could not use its last candidates. */
struct refusal {
    enum close_reason reason;
    const char *why;
};

/*
 * Take the next candidate that is up, has room, and has a turn in time: the session has its seat
 * there. False if there is none.
 *
 *   wait_us   how long the session waits for its turn at a paced node
 *   refusal   on false, changed if a node was up and could not take the session
 */
MUST_USE bool candidates_choose(struct session *s, uint64_t *wait_us, struct refusal *refusal);

/* Whether a candidate is left. Their states may have changed since ROUTE. */
MUST_USE bool candidates_left(const struct session *s);

/* What is left of timeouts.placement_ms. */
MUST_USE uint32_t candidates_time_left_ms(const struct session *s);
MUST_USE bool candidates_have_time(const struct session *s);

/* Whether the CONNECT may go to another candidate (the cluster's `replay`), and there is one. */
MUST_USE bool candidates_may_replay(const struct session *s);

/*
 * A node's answer proves that a healthy node answers this CONNECT: the nodes that were tried
 * before and did not answer are charged with a failure each.
 */
void candidates_prove(struct session *s);

const struct node *candidate_tried(const struct session *s);

/* Whether it is the session's home. */
MUST_USE bool candidate_is_home(const struct session *s);

/* Whether it still takes new sessions. */
MUST_USE bool candidate_is_open(const struct session *s);

/* The session is not placed on it: if it is the home, note the cause. */
void candidate_note_missed_home(struct session *s, enum off_home_cause cause);

/* Charge it with a failed session. */
void candidate_charge(const struct session *s);

/* Wait for another turn at it, in microseconds; PLACEMENT_NO_TURN: too long. */
MUST_USE uint64_t candidate_take_turn(const struct session *s);

/*
 * Whether the configuration prevents a second try after a silent node. Then no other node can prove
 * that this one is at fault, so its silence counts.
 */
MUST_USE bool candidate_is_only_try(const struct session *s);

/* connack_seen: note what the answer tells about the node. */
void candidate_note_answer(struct session *s);

/* Whether its CONNACK means that it is busy with this device's previous session. */
MUST_USE bool candidate_is_busy_briefly(const struct session *s);

#endif
