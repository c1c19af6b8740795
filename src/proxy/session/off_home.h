/*
 * off_home.h - which relayed sessions are not at their home, and why.
 *
 * A session keeps no route key. When the nodes of its cluster have changed, the key is computed
 * again from what a session keeps anyway: client identifier and user name (up to SESSION_NAME_MAX
 * bytes), source address, PROXY header, TLS handshake. So it costs no memory. If the key is a
 * longer name, or was not kept, the session keeps the state that it had when it was placed.
 */
#ifndef PROXY_SESSION_OFF_HOME_H
#define PROXY_SESSION_OFF_HOME_H

#include <stdbool.h>

#include "base/list.h"
#include "base/util.h"
#include "proxy/node_live.h"

struct cluster_view;
struct session;

/* A session that is not at its home. */
struct off_home {
    struct node_live *home; /* a reference */
    struct list link;       /* in the seat of its home, in the list of its cause */
    struct session *session;
    uint32_t home_up_since; /* low bits of home's up_since_us when the session came */
    enum off_home_cause cause : 8;
};

/* For seat_settle(): the session is relayed; note whether it is at its home. */
void off_home_note(struct session *s);

/* The session is no longer off home. Safe to repeat. */
void off_home_clear(struct session *s);

/* Compare a relayed session's node with its home in this view of its cluster. */
void off_home_recount(struct session *s, const struct cluster_view *cluster_view);

/*
 * Sessions that the node refused, or did not answer, while it was up: if it has been down since,
 * homecoming may close them. Handles a few per call; true = there may be more.
 */
MUST_USE bool off_home_forgive(struct node_live *home, unsigned worker);

#endif
