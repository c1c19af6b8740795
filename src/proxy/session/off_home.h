/*
 * off_home.h - track which relayed sessions are not at their home, and why.
 *
 * To save memory, a session does not store its route key. When the nodes of its cluster have
 * changed, the key is computed again from data that the session has anyway: client identifier and
 * user name (up to SESSION_NAME_MAX bytes), source address, PROXY header, TLS handshake. If the key
 * is a longer name, or was not stored, the session stays at home or off home, as it was placed.
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
    struct list link;       /* in off_home[cause] of the home's seat */
    struct session *session;
    uint32_t home_up_since; /* low bits of the home's up_since_us when this was created */
    enum off_home_cause cause : 8;
};

/* Note whether a newly relayed session is off home. Used by seat_settle(). */
void off_home_note(struct session *s);

/* Note that the session is no longer off home. Safe to call again. */
void off_home_clear(struct session *s);

/* Update whether a relayed session is off home, according to this view of its cluster. */
void off_home_recount(struct session *s, const struct cluster_view *cluster_view);

/*
 * If the home has been down since it refused or did not answer some sessions, change their cause to
 * OFF_HOME_DOWN, so that homecoming can close them. Handles some per call; returns true if there
 * may be more.
 */
MUST_USE bool off_home_forgive(struct node_live *home, unsigned worker);

#endif
