/*
 * seat.h - a session's seat at its node, where it is counted from the dial to its end.
 */
#ifndef PROXY_SESSION_SEAT_H
#define PROXY_SESSION_SEAT_H

struct node_live;
struct session;

/* Count the session as waiting at a node, which becomes s->node. */
void seat_take(struct session *s, struct node_live *live);

/* Count a newly relayed session as clean or kept, and as at home or off home. */
void seat_settle(struct session *s);

/* Stop counting the session at its node. Safe to call again. */
void seat_leave(struct session *s);

#endif
