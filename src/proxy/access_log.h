/*
 * access_log.h - one line for each session, when it ends.
 */
#ifndef PROXY_ACCESS_LOG_H
#define PROXY_ACCESS_LOG_H

struct session;

/* Event `session.end`, level info. Called once, before the session is freed. */
void access_log_session(const struct session *s);

#endif
