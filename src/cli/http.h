/*
 * http.h - ask a router's admin interface, one request after the other.
 */
#ifndef CLI_HTTP_H
#define CLI_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/util.h"

struct client_http;

/* What came back. */
struct client_response {
    long status; /* of HTTP */
    char *text;  /* owned, terminated; client_response_fini() */
    size_t n;
};

/*
 * Get ready to ask at an address, "HOST:PORT", "[IPv6]:PORT" or "unix:PATH"; an any-address
 * becomes the loopback. Null is said on `err`: no address, no libcurl, no memory.
 *
 *   token   sent as a bearer token; null = none
 *   err     borrowed: what goes wrong is said there
 */
MUST_USE struct client_http *client_http_new(const char *address, const char *token, FILE *err);
void client_http_free(struct client_http *http); /* null is allowed */

/*
 * Ask and wait for the whole answer, of whatever status, for 10 seconds at most. A SIGINT that is
 * blocked and pending ends it within a second.
 *
 *   path   begins with "/", percent-encoded
 *   body   JSON to POST; null = GET
 *   out    owns; untouched on failure
 *
 * False when there is none: said on `err`, but for that SIGINT.
 */
MUST_USE bool client_http_request(struct client_http *http, const char *path, const char *body,
                                  struct client_response *out);
void client_response_fini(struct client_response *answer);

#endif
