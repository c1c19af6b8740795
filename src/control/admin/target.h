/*
 * target.h - parse the target of an admin request, and check its Host and Origin headers.
 *
 * Pure, except that it allocates memory: no I/O, no clock.
 */
#ifndef CONTROL_ADMIN_TARGET_H
#define CONTROL_ADMIN_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

#define ADMIN_PARTS_MAX 2u
#define ADMIN_QUERY_MAX 8u

struct admin_call;

enum admin_method { ADMIN_GET, ADMIN_POST };

enum admin_access {
    ADMIN_OPEN,   /* any client that can connect; shows no secrets, changes nothing */
    ADMIN_SECRET, /* requires the token, if one is configured */
};

struct admin_route {
    enum admin_method method;
    const char *pattern;
    const char *query; /* names of query parameters, separated by spaces */
    enum admin_access access;
    void (*handle)(struct admin_call *call);
};

/* All routes. Passed in by pointer, so that this layer does not depend on the handlers. */
struct admin_routes {
    const struct admin_route *list;
    size_t n;
    const char *page_policy; /* Content-Security-Policy, sent with every response */
};

enum admin_found {
    ADMIN_FOUND,
    ADMIN_NOT_FOUND,    /* no such path */
    ADMIN_WRONG_METHOD, /* the path exists; `route` is a route with this path */
    ADMIN_BAD_PATH,     /* invalid UTF-8, a NUL byte, or an invalid %xx */
    ADMIN_BAD_QUERY,    /* the same, or an unknown or repeated parameter */
    ADMIN_NO_MEMORY
};

struct admin_target {
    const struct admin_route *route;
    const char *parts[ADMIN_PARTS_MAX]; /* decoded; point into `text` */
    const char *keys[ADMIN_QUERY_MAX], *values[ADMIN_QUERY_MAX];
    unsigned n_query;
    const char *at; /* ADMIN_BAD_QUERY: the parameter, or null if it could not be decoded */
    char *text;     /* owned */
};

/*
 * Parse a target as received: "/api/v1/nodes/c/n%201?x=y" (RFC 9112 section 3.2.1, origin form; RFC
 * 3986 section 2.1). A "+" in the query is a space, as in HTML forms.
 *
 *   method   null if it is neither GET nor POST
 *   out      call admin_target_fini() in any case
 */
enum admin_found admin_target_parse(const struct admin_routes *routes, const char *raw,
                                    const enum admin_method *method, struct admin_target *out);
void admin_target_fini(struct admin_target *target);

/* Return whether word is in a list of words separated by spaces. */
bool admin_is_among(const char *words, const char *word);

/*
 * Return whether a Host header cannot be the result of DNS rebinding: it is a numeric address or
 * "localhost", with or without a port, or it is missing (null).
 */
bool admin_host_is_ours(const char *host);

/*
 * Return whether an Origin header has the same host and port as Host, or is missing (null). If not,
 * the request comes from a foreign web page.
 */
bool admin_origin_fits(const char *origin, const char *host);

#endif
