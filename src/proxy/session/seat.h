/*
 * seat.h - a session's seat at its node: it is counted there from the dial to its end.
 */
#ifndef PROXY_SESSION_SEAT_H
#define PROXY_SESSION_SEAT_H

struct node_live;
struct session;

/* Count the session at a node, which becomes s->node, as one that waits for it. */
void seat_take(struct session *s, struct node_live *live);

/* The session is relayed: count it as clean or kept, and at its home or off home. */
void seat_settle(struct session *s);

/* The session no longer counts at its node. Safe to repeat. */
void seat_leave(struct session *s);

#endif
