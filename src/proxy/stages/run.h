/*
 * run.h - begin, run and end sessions. Used by the worker.
 */
#ifndef PROXY_STAGES_RUN_H
#define PROXY_STAGES_RUN_H

#include "model/close_reason.h"
#include "net/address.h"

struct listener;
struct session;
struct worker_core;

/*
 * Begin a session on an accepted descriptor. Takes fd. The session then runs on its own events; the
 * caller gets no pointer to it.
 */
void session_begin(struct worker_core *w, struct listener *listener, int fd,
                   const struct address *source);

/* Run the session's stages until one waits, then update the watchers. May free s. */
void session_run(struct session *s);

/* End a session from outside its stages (shutdown). May free s. */
void session_end(struct session *s, enum close_reason reason);

#endif
