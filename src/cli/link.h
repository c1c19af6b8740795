/*
 * link.h - connect to a running router, send requests, and find a node. Used by all commands.
 */
#ifndef CLI_LINK_H
#define CLI_LINK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/util.h"
#include "http.h"

/* The router to use, and where to print. All borrowed. */
struct client {
    /*
     * "127.0.0.1:9090", "[::1]:9090", "router.example:9090" or "unix:PATH". Null: the address from
     * config_path, else from the environment variable MQTT_ROUTER_ADMIN, else 127.0.0.1:9090.
     */
    const char *address;
    const char *token_file;  /* null: from config_path, else MQTT_ROUTER_TOKEN_FILE, else none */
    const char *config_path; /* configuration with the "admin" to use; null: none */
    bool json;               /* print responses as JSON */
    FILE *out, *err;
};

struct client_link {
    const struct client *client; /* borrowed */
    struct client_http *http;
    struct client_response response; /* response to the last request */
};

/*
 * Choose the address and the token, and create an HTTP client. Nothing is sent yet. Returns false
 * on failure; the error has been printed to client->err.
 */
MUST_USE bool client_link_open(struct client_link *link, const struct client *client);
void client_link_close(struct client_link *link);

/*
 * Send a request and wait for the response.
 *
 *   path    as in client_http_request()
 *   body    taken; sent with POST. Null: GET
 *
 * Returns the JSON of a 2xx response, owned by the caller. Returns null on failure; the error has
 * been printed to client->err, and with --json the response to client->out.
 */
MUST_USE json_t *client_link_request(struct client_link *link, const char *path, json_t *body);

/* Print the JSON of the last response, with control characters escaped as \uXXXX. */
void client_link_print(const struct client_link *link);

/* A query parameter; omitted if its value is null. */
struct client_parameter {
    const char *key, *value;
};

/*
 * Build "BASE?KEY=VALUE&..." or "BASE/FIRST/SECOND", percent-encoded. The result is owned by the
 * caller; null if out of memory.
 */
MUST_USE char *client_path_query(const char *base, const struct client_parameter *list, size_t n);
MUST_USE char *client_path_segments(const char *base, const char *first, const char *second);

/*
 * Run a command that needs one request: open a link, send the request, print the response.
 *
 *   path, body   taken; as in client_link_request(); a null path means out of memory
 *   print        prints the response and returns the exit code; not called with --json
 *
 * Returns the exit code.
 */
MUST_USE int client_run(const struct client *client, char *path, json_t *body,
                        int (*print)(const struct client *client, const json_t *response,
                                     const void *arg),
                        const void *arg);

/* ---- nodes ---- */

/*
 * Find a node by "NAME" or "CLUSTER/NAME". Returns its API path, owned by the caller. Returns null
 * unless exactly one node matches; the error lists the matching nodes, or all nodes if none
 * matches.
 */
MUST_USE char *client_node_find(struct client_link *link, const char *name);

/* Return the API path of a node, owned by the caller; null if out of memory. */
MUST_USE char *client_node_path(const json_t *node);

/*
 * Change a node with a POST to its path. Returns the new state of the node, owned by the caller.
 * Returns null on failure; the error has been printed.
 *
 *   body   taken; null means out of memory
 */
MUST_USE json_t *client_node_post(struct client_link *link, const char *path, json_t *body);

/* Call `visit` for every node in a response, which may be null. */
void client_node_each(const json_t *response, void (*visit)(void *arg, const json_t *node),
                      void *arg);

/* Return the reason why a node gets no new sessions or is suspected; null if there is none. */
const char *client_node_why(const json_t *node);

/* Print "CLUSTER/NAME". */
void client_node_print_name(const json_t *node, FILE *out);

#endif
