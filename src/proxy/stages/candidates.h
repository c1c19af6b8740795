/*
 * candidates.h - choose the next node to try, and judge nodes by their answers. Used by DIAL and
 * CONNACK.
 *
 * The current candidate has the index s->tries - 1. Functions named candidate_*() operate on it.
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

/* Why the last candidates could not be used. */
struct refusal {
    enum close_reason reason;
    const char *why;
};

/*
 * Choose the next candidate that is up, is not full, and has a turn in time, and count the session
 * there. Returns false if there is none.
 *
 *   wait_us   how long the session must wait for its turn at a paced node
 *   refusal   on false: set if a node was up but could not be used, else unchanged
 */
MUST_USE bool candidates_choose(struct session *s, uint64_t *wait_us, struct refusal *refusal);

/* Return true if a usable candidate is left; nodes may have changed since ROUTE. */
MUST_USE bool candidates_left(const struct session *s);

/* Return the remaining time of timeouts.placement_ms, or whether any is left. */
MUST_USE uint32_t candidates_time_left_ms(const struct session *s);
MUST_USE bool candidates_have_time(const struct session *s);

/* Return true if the CONNECT may be sent to another node (`replay`), and a candidate is left. */
MUST_USE bool candidates_may_replay(const struct session *s);

/*
 * Charge a failure to each node that was tried before and did not answer. Called when another
 * node's answer proves that a healthy node answers this CONNECT.
 */
void candidates_prove(struct session *s);

const struct node *candidate_tried(const struct session *s);

/* Return true if the candidate is the session's home. */
MUST_USE bool candidate_is_home(const struct session *s);

/* Return true if the candidate still accepts new sessions. */
MUST_USE bool candidate_is_open(const struct session *s);

/* If the candidate is the home, note why the session is not placed there. */
void candidate_note_missed_home(struct session *s, enum off_home_cause cause);

/* Charge a failed session to the candidate. */
void candidate_charge(const struct session *s);

/* Take another turn at the candidate. Returns the wait in us; PLACEMENT_NO_TURN = too long. */
MUST_USE uint64_t candidate_take_turn(const struct session *s);

/*
 * Return true if the configuration allows no second try after a node that does not answer. No other
 * node can then prove that this one is at fault, so the missing answer itself is charged.
 */
MUST_USE bool candidate_is_only_try(const struct session *s);

/* Update the node's record from its CONNACK. Requires connack_seen. */
void candidate_note_answer(struct session *s);

/* Return true if the CONNACK means that the node is busy with the device's previous session. */
MUST_USE bool candidate_is_busy_briefly(const struct session *s);

#endif
