/*
 * remote.h - commands that ask a running router, over its admin interface.
 *
 * Each returns an exit code: 0 done, 1 the router said no or cannot be reached; that is said on
 * `err` with the address and the reason. Text of devices is escaped as in the log.
 */
#ifndef CLI_REMOTE_H
#define CLI_REMOTE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/util.h"
#include "link.h"
#include "route.h"

/* One screen; 1 also when the router is not ready, as /readyz says. */
MUST_USE int client_status(const struct client *client);

/* names: only CLUSTER/NAME, one a line. */
MUST_USE int client_nodes(const struct client *client, bool names);

struct client_drain {
    const char *node;     /* "NAME" or "CLUSTER/NAME" */
    const char *rate;     /* a number; null = the cluster's */
    const char *deadline; /* seconds; null = the cluster's */
    bool wait;
};

/*
 * Take a node out. With `wait` watch until it has no session: how far it is, on a terminal in one
 * line that is written again and again. SIGINT ends the watching, not the draining, and is 1.
 */
MUST_USE int client_drain(const struct client *client, const struct client_drain *drain);

/* Bring a node back in. */
MUST_USE int client_restore(const struct client *client, const char *node);

/* What to look for; null = all. */
struct client_sessions {
    const char *client_id, *node, *source, *limit;
};

MUST_USE int client_sessions(const struct client *client, const struct client_sessions *query);
MUST_USE int client_disconnect(const struct client *client, const char *id);
MUST_USE int client_reload(const struct client *client);

/* Where a device belongs, by the health of now. */
MUST_USE int client_route(const struct client *client, const struct route_query *query);

#endif
