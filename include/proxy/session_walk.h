/*
 * session_walk.h - a walk over a worker's sessions, in slices: sessions come and go between them.
 */
#ifndef PROXY_SESSION_WALK_H
#define PROXY_SESSION_WALK_H

#include "base/list.h"

/* Ends at the session that was the last one when the walk began: later ones are not visited. */
struct session_walk {
    struct list link;  /* in the worker's walks, while in progress */
    struct list *next; /* the next session to visit; the head of the list = no more */
    struct list *last; /* the last one to visit */
};

#endif
