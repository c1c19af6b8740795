/*
 * remote.h - the commands that use the admin interface of a running router.
 *
 * Each returns the exit code: 0 on success; 1 if the router rejected the request or cannot be
 * reached, after printing an error to `err`. Text from devices is escaped as in the log.
 */
#ifndef CLI_REMOTE_H
#define CLI_REMOTE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/util.h"
#include "link.h"
#include "route.h"

/* Print the state of the router on one screen. Also returns 1 if the router is not ready. */
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
 * Drain a node. With `wait`, print the progress until the node has no session; on a terminal,
 * update one line. SIGINT ends the command with exit code 1, but not the drain.
 */
MUST_USE int client_drain(const struct client *client, const struct client_drain *drain);

/* Set a node's state to up. */
MUST_USE int client_restore(const struct client *client, const char *node);

/* Filters; null: not used. */
struct client_sessions {
    const char *client_id, *node, *source, *limit;
};

MUST_USE int client_sessions(const struct client *client, const struct client_sessions *query);
MUST_USE int client_disconnect(const struct client *client, const char *id);
MUST_USE int client_reload(const struct client *client);

/* Print the nodes that a device would be sent to, according to the current health of the nodes. */
MUST_USE int client_route(const struct client *client, const struct route_query *query);

#endif
