/*
 * session_walk.h - iterate over a worker's sessions in slices; sessions may begin and end in
 * between.
 */
#ifndef PROXY_SESSION_WALK_H
#define PROXY_SESSION_WALK_H

#include "base/list.h"

/* A walk ends at the last session that existed when it began; newer ones are not visited. */
struct session_walk {
    struct list link;  /* in the worker's list of walks, while in progress */
    struct list *next; /* the next session to visit; the list head = no more */
    struct list *last; /* the last session to visit */
};

#endif
