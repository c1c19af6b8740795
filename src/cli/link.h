/*
 * link.h - what the commands share: the way to the router, its answers, and what is printed
 * of them.
 */
#ifndef CLI_LINK_H
#define CLI_LINK_H

#include <jansson.h>
#include <stdbool.h>

#include "base/util.h"
#include "client.h"
#include "http.h"

struct client_link {
    const struct client *client; /* borrowed */
    struct client_http *http;
    struct client_answer answer; /* the last one */
};

/* Find the router: client.h's order. False is said on client->err. Nothing is sent yet. */
MUST_USE bool client_link_open(struct client_link *link, const struct client *client);
void client_link_close(struct client_link *link);

/*
 * Ask. The JSON of a good answer (2xx), the caller's; null when there is none: then what
 * the router says is wrong is on client->err, and with --json its answer on client->out.
 *
 *   path    as of client_http_ask()
 *   body    taken, and POSTed; null = GET
 */
MUST_USE json_t *client_link_ask(struct client_link *link, const char *path, json_t *body);

/* Print the last answer as it is: the same JSON, steering characters as \uXXXX. */
void client_link_print(const struct client_link *link);

/*
 * Add "?KEY=VALUE", or "&KEY=VALUE" when there is one already, to a path under construction;
 * nothing for a null value. False: memory is short.
 */
MUST_USE bool client_path_query(char **path, const char *key, const char *value);

/* Add "/PART" to it, percent-encoded. */
MUST_USE bool client_path_part(char **path, const char *part);

#endif
