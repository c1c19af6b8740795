/*
 * link.h - what the commands share: the way to the router, its answers, and what is printed
 * of them.
 */
#ifndef CLI_LINK_H
#define CLI_LINK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/util.h"
#include "http.h"

/* Where the router is, and how to answer. All borrowed. */
struct client {
    /*
     * "127.0.0.1:9090", "[::1]:9090", "router.example:9090" or "unix:PATH"; null = that of
     * config_path, else of the environment's MQTT_ROUTER_ADMIN, else 127.0.0.1:9090.
     */
    const char *address;
    const char *token_file; /* null = that of config_path, else MQTT_ROUTER_TOKEN_FILE, else none */
    const char *config_path; /* whose "admin" is taken; null = none */
    bool json;               /* print answers as they are */
    FILE *out, *err;
};

struct client_link {
    const struct client *client; /* borrowed */
    struct client_http *http;
    struct client_response answer; /* the last one */
};

/* Find the router: client.h's order. False is said on client->err. Nothing is sent yet. */
MUST_USE bool client_link_open(struct client_link *link, const struct client *client);
void client_link_close(struct client_link *link);

/*
 * Ask. The JSON of a good answer (2xx), the caller's; null when there is none: then what
 * the router says is wrong is on client->err, and with --json its answer on client->out.
 *
 *   path    as of client_http_request()
 *   body    taken, and POSTed; null = GET
 */
MUST_USE json_t *client_link_request(struct client_link *link, const char *path, json_t *body);

/* Print the last answer as it is: the same JSON, steering characters as \uXXXX. */
void client_link_print(const struct client_link *link);

/* A parameter of a query; a null value: left out. */
struct client_parameter {
    const char *key, *value;
};

/*
 * "BASE?KEY=VALUE&...", and "BASE/FIRST/SECOND"; values are percent-encoded. The caller's; null
 * when memory is short.
 */
MUST_USE char *client_path_query(const char *base, const struct client_parameter *list, size_t n);
MUST_USE char *client_path_segments(const char *base, const char *first, const char *second);

/*
 * A whole command of one request: open a link, send it, and print the response, with --json as it
 * is.
 *
 *   path, body   taken, as of client_link_request(); a null path: out of memory
 *   print        prints the response as text, and returns the exit code
 *
 * Returns the exit code.
 */
MUST_USE int client_run(const struct client *client, char *path, json_t *body,
                        int (*print)(const struct client *client, const json_t *response,
                                     const void *arg),
                        const void *arg);

/* ---- nodes ---- */

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
MUST_USE json_t *client_node_post(struct client_link *link, const char *path, json_t *body);

/* Call `see` with every node of the API's answer, which may be null. */
void client_node_each(const json_t *answer, void (*see)(void *arg, const json_t *node), void *arg);

/* What its checks or sessions met, where that is why it gets no new ones; else null. */
const char *client_node_why(const json_t *node);

/* "CLUSTER/NAME" of a node of the API. */
void client_node_print_name(const json_t *node, FILE *out);

#endif
