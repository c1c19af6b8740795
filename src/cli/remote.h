/*
 * remote.h - the commands that talk to a running router over its admin interface.
 *
 * Each returns an exit code: 0 success; 1 the router rejected the request or cannot be reached, and
 * an error has been printed to `err`. Text from devices is escaped as in the log.
 */
#ifndef CLI_REMOTE_H
#define CLI_REMOTE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/util.h"
#include "link.h"
#include "route.h"

/* Print one screen. Returns 1 also if the router is not ready (GET /readyz). */
MUST_USE int client_status(const struct client *client);

/* Print a table of nodes; with `names` only CLUSTER/NAME, one per line. */
MUST_USE int client_nodes(const struct client *client, bool names);

struct client_drain {
    const char *node;     /* "NAME" or "CLUSTER/NAME" */
    const char *rate;     /* sessions per second; null: as configured */
    const char *deadline; /* seconds; null: as configured */
    bool wait;
};

/*
 * Drain a node. With `wait`, print the progress until it has no session; on a terminal in one line
 * that is updated. SIGINT ends the waiting, not the drain, and the exit code is 1.
 */
MUST_USE int client_drain(const struct client *client, const struct client_drain *drain);

/* Set a node's state to up. */
MUST_USE int client_restore(const struct client *client, const char *node);

/* Filters; null: any. */
struct client_sessions {
    const char *client_id, *node, *source, *limit;
};

MUST_USE int client_sessions(const struct client *client, const struct client_sessions *query);
MUST_USE int client_disconnect(const struct client *client, const char *id);
MUST_USE int client_reload(const struct client *client);

/* Print the nodes that a device would be sent to, by the router's current health. */
MUST_USE int client_route(const struct client *client, const struct route_query *query);

#endif
