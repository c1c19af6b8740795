/*
 * access_log.h - log one line when a session ends, and at level debug one when it is placed.
 */
#ifndef PROXY_SESSION_ACCESS_LOG_H
#define PROXY_SESSION_ACCESS_LOG_H

struct session;

/* Log `session.placed` at level debug. Called when the session is relayed. */
void access_log_placed(const struct session *s);

/* Log `session.end` at level info. Called once, before the session is freed. */
void access_log_session(const struct session *s);

#endif
