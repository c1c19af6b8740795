/*
 * stages.h - the stages of a session: one function each, called by run.c.
 *
 * A stage moves the session on with session_goto() or session_close(), and returns what to do next.
 * It reads only fields that earlier stages have set.
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

/* Called when the deadline of the state has passed. */
enum step stage_dial_timed_out(struct session *s);
enum step stage_connack_timed_out(struct session *s);
enum step stage_relay_timed_out(struct session *s);

/* Move on to the next client-side stage; create the WebSocket layer if that is the next one. */
enum step stage_accept_next(struct session *s);

/* Return true if a trusted proxy sends the device's address in a later state. */
bool stage_accept_source_follows(const struct session *s);

/* Move from CONNACK to RELAY, after the node's answer was forwarded to the client. */
enum step stage_relay_begin(struct session *s);

/* ---- dial.c, for CONNACK and the worker ---- */

/*
 * Handle a try that has failed in CONNACK. Moves to DIAL if a candidate and time are left; else
 * closes with `reason`. Returns STEP_MOVED.
 *
 *   why   for the log, after the node's name
 */
enum step stage_dial_again(struct session *s, enum close_reason reason, const char *why);

/*
 * Call this if the node refuses because of its own state, and candidates_may_replay() is true. If
 * the node is the session's home and seems to be only briefly busy, the session moves to DIAL,
 * sends the CONNECT there again after a short wait, and this returns true. Otherwise the caller
 * continues with stage_dial_again().
 *
 * EMQX refuses a CONNECT with 0x89 while it still cleans up the previous session of the same client
 * identifier; another node would accept it, and the device would be off home. MQTT 3.x has no such
 * code: EMQX sends 3, which it also sends if a node is evacuated or overloaded. So 3 means busy
 * only if the node accepts other sessions; this way an evacuated node delays only a few devices.
 */
MUST_USE bool stage_dial_again_at_home(struct session *s);

/* Move a session from a node that is down to the next candidate. The caller runs the session. */
void stage_dial_node_lost(struct session *s);

#endif
