/* access_log.h - one line for each session when it ends, and at level debug when it is placed. */
#ifndef PROXY_SESSION_ACCESS_LOG_H
#define PROXY_SESSION_ACCESS_LOG_H

struct session;

/* Event `session.placed`, level debug, when the node has answered and the session is relayed. */
void access_log_placed(const struct session *s);

/* Event `session.end`, level info. Called once, before the session is freed. */
void access_log_session(const struct session *s);

#endif
