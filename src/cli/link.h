/*
 * link.h - shared by the commands: connect to a running router, send requests, and find a node.
 */
#ifndef CLI_LINK_H
#define CLI_LINK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/util.h"
#include "http.h"

/* The router's address and the output. All borrowed. */
struct client {
    /*
     * "127.0.0.1:9090", "[::1]:9090", "router.example:9090" or "unix:PATH". Null: the address in
     * config_path, else the environment variable MQTT_ROUTER_ADMIN, else 127.0.0.1:9090.
     */
    const char *address;
    const char *token_file;  /* null: that in config_path, else MQTT_ROUTER_TOKEN_FILE, else none */
    const char *config_path; /* read its "admin"; null: none */
    bool json;               /* print responses unchanged */
    FILE *out, *err;
};

struct client_link {
    const struct client *client; /* borrowed */
    struct client_http *http;
    struct client_response response; /* the last one */
};

/* Choose the address and the token, and prepare requests; nothing is sent yet. False: an error has
 * been printed to client->err. */
MUST_USE bool client_link_open(struct client_link *link, const struct client *client);
void client_link_close(struct client_link *link);

/*
 * Send a request and wait for the response.
 *
 *   path    as in client_http_request()
 *   body    taken; sent with POST. Null: GET
 *
 * Returns the JSON of a 2xx response, owned by the caller. Null: the error has been printed to
 * client->err, and with --json the response to client->out.
 */
MUST_USE json_t *client_link_request(struct client_link *link, const char *path, json_t *body);

/* Print the last response: the same JSON, with control characters escaped as \uXXXX. */
void client_link_print(const struct client_link *link);

/* A query parameter; omitted if its value is null. */
struct client_parameter {
    const char *key, *value;
};

/*
 * Build "BASE?KEY=VALUE&..." or "BASE/FIRST/SECOND", percent-encoded. Owned by the caller; null:
 * out of memory.
 */
MUST_USE char *client_path_query(const char *base, const struct client_parameter *list, size_t n);
MUST_USE char *client_path_segments(const char *base, const char *first, const char *second);

/*
 * Run a command that needs one request: open a link, send it, print the response.
 *
 *   path, body   taken; as in client_link_request(), and a null path means out of memory
 *   print        prints the response, unless --json is given; returns the exit code
 *
 * Returns the exit code.
 */
MUST_USE int client_run(const struct client *client, char *path, json_t *body,
                        int (*print)(const struct client *client, const json_t *response,
                                     const void *arg),
                        const void *arg);

/* ---- nodes ---- */

/*
 * Find the node called "NAME" or "CLUSTER/NAME". Returns its API path, owned by the caller. Null:
 * an error has been printed, with a list of the matching nodes, or of all nodes if none matches.
 */
MUST_USE char *client_node_find(struct client_link *link, const char *name);

/* The API path of a node, owned by the caller; null: out of memory. */
MUST_USE char *client_node_path(const json_t *node);

/*
 * Change a node: POST to its path. Returns its new state, owned by the caller; null: an error has
 * been printed.
 *
 *   body   taken; null: out of memory
 */
MUST_USE json_t *client_node_post(struct client_link *link, const char *path, json_t *body);

/* Call `visit` for every node in a response, which may be null. */
void client_node_each(const json_t *response, void (*visit)(void *arg, const json_t *node),
                      void *arg);

/* Why the node gets no new sessions or is suspected: the result of its checks or sessions. Null: no
 * such reason. */
const char *client_node_why(const json_t *node);

/* Print "CLUSTER/NAME". */
void client_node_print_name(const json_t *node, FILE *out);

#endif
