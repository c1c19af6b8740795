/*
 * stages.h - the stages of a session: one function each, called by run.c.
 *
 * A stage moves the session on with session_goto() or session_close(), and returns what to do next.
 * It reads only what earlier stages wrote.
 */
#ifndef PROXY_STAGES_STAGES_H
#define PROXY_STAGES_STAGES_H

#include "proxy/session/session.h"

enum step stage_accept(struct session *s);
enum step stage_proxy_in(struct session *s);
enum step stage_tls(struct session *s);
enum step stage_websocket(struct session *s);
enum step stage_connect(struct session *s);
enum step stage_route(struct session *s);
enum step stage_connack(struct session *s);
enum step stage_dial(struct session *s);
enum step stage_relay(struct session *s);
enum step stage_closing(struct session *s);

/* The deadline of the state has passed. */
enum step stage_dial_timed_out(struct session *s);
enum step stage_connack_timed_out(struct session *s);
enum step stage_relay_timed_out(struct session *s);

/* The next stage after a client-side stage: opens the WebSocket layer if it is that one's turn. */
enum step stage_accept_next(struct session *s);

/* Whether a trusted proxy will still name the device's address, in a later state. */
bool stage_accept_source_follows(const struct session *s);

/* The node has answered, and the client has the answer: CONNACK to RELAY. */
enum step stage_relay_begin(struct session *s);

/* ---- dial.c, for CONNACK and the worker ---- */

/*
 * The current try has failed after the node had the CONNECT, or part of it. Tries the next
 * candidate if there is one and time is left: STEP_MOVED to DIAL; else closes with `reason`.
 *
 *   why   for the log, after the node's name
 */
enum step stage_dial_again(struct session *s, enum close_reason reason, const char *why);

/*
 * The node refuses because of its own state, and candidates_may_replay() holds. If it is the
 * session's home and seems to be busy only for a moment, the CONNECT goes to it once more after a
 * short wait, and this returns true: STEP_MOVED to DIAL. Otherwise the caller continues with
 * stage_dial_again().
 *
 * EMQX refuses a CONNECT with 0x89 while it still cleans up the previous session of the same client
 * identifier; another node would accept it, and the device would be off home. 3.x has no such
 * code: EMQX sends 3, as it does for an evacuated or overloaded node. So 3 counts as busy only
 * while the node accepts others; an evacuated node delays few devices.
 */
MUST_USE bool stage_dial_again_at_home(struct session *s);

/*
 * The node is down: a session that is still being placed there moves on to the next candidate. The
 * caller runs the session.
 */
void stage_dial_node_lost(struct session *s);

#endif
