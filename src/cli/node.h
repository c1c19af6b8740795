/*
 * node.h - a node as it is called on the command line, and steering it.
 */
#ifndef CLI_NODE_H
#define CLI_NODE_H

#include "link.h"

/*
 * Find "NAME" or "CLUSTER/NAME" among all nodes. Its API path, the caller's, or null: said on err,
 * with the candidates when there are several, and all nodes when there is none.
 */
MUST_USE char *client_node_find(struct client_link *link, const char *name);

/* The same of a node of the API; null when memory is short. */
MUST_USE char *client_node_path(const json_t *node);

/*
 * POST to that path. The node as it is then, the caller's; null is said.
 *
 *   body   taken
 */
MUST_USE json_t *client_node_steer(struct client_link *link, const char *path, json_t *body);

/* Call `see` with every node of the API's answer, which may be null. */
void client_node_each(const json_t *answer, void (*see)(void *arg, const json_t *node), void *arg);

/* What its checks or sessions met, where that is why it gets no new ones; else null. */
const char *client_node_why(const json_t *node);

/* "CLUSTER/NAME" of a node of the API. */
void client_node_print_name(const json_t *node, FILE *out);

#endif
