/*
 * http.h - HTTP client for a router's admin interface, one request at a time.
 */
#ifndef CLI_HTTP_H
#define CLI_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/util.h"

struct client_http;

/* A response. */
struct client_response {
    long status; /* HTTP status */
    char *text;  /* owned, zero-terminated; free with client_response_fini() */
    size_t n;
};

/*
 * Create a client for "HOST:PORT", "[IPv6]:PORT" or "unix:PATH". An unspecified address (0.0.0.0,
 * ::) is replaced with the loopback address.
 *
 *   token   sent as a bearer token; null: none
 *   err     borrowed; errors are printed here
 *
 * Returns null if the address is invalid, libcurl is missing, or memory is exhausted; the error has
 * been printed.
 */
MUST_USE struct client_http *client_http_new(const char *address, const char *token, FILE *err);
void client_http_free(struct client_http *http); /* null is allowed */

/*
 * Send a request and wait up to 10 seconds for the complete response, which may have any status. If
 * SIGINT is blocked and becomes pending, the request is aborted within a second.
 *
 *   path   begins with "/", percent-encoded
 *   body   JSON, sent with POST; null: GET
 *   out    owned by the caller; untouched on failure
 *
 * Returns false if there is no complete response; the error has been printed, except after SIGINT.
 */
MUST_USE bool client_http_request(struct client_http *http, const char *path, const char *body,
                                  struct client_response *out);
void client_response_fini(struct client_response *response);

#endif
