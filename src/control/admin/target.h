/*
 * target.h - the request target of an admin request, taken apart; and whom we believe that
 * it is meant for us. Pure but for the memory it makes: no connection, no clock.
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
    ADMIN_OPEN,   /* to any client that can connect: no secrets, changes nothing */
    ADMIN_SECRET, /* requires the token, if one is configured */
};

struct admin_route {
    enum admin_method method;
    const char *pattern;
    const char *query; /* names of its parameters, separated by blanks */
    enum admin_access access;
    void (*handle)(struct admin_call *call);
};

/* All routes, passed in by pointer: this layer does not call the handlers by name. */
struct admin_routes {
    const struct admin_route *list;
    size_t n;
    const char *page_policy; /* Content-Security-Policy, sent with every response */
};

enum admin_found {
    ADMIN_FOUND,
    ADMIN_NOT_FOUND,    /* no such path */
    ADMIN_WRONG_METHOD, /* the path is there; `route` is one that has it */
    ADMIN_BAD_PATH,     /* a part that is no UTF-8, holds a zero, or a broken %xx */
    ADMIN_BAD_QUERY,    /* the same; or a parameter that the route does not have, or twice */
    ADMIN_NO_MEMORY
};

struct admin_target {
    const struct admin_route *route;
    const char *parts[ADMIN_PARTS_MAX]; /* decoded, into `text` */
    const char *keys[ADMIN_QUERY_MAX], *values[ADMIN_QUERY_MAX];
    unsigned n_query;
    const char *at; /* ADMIN_BAD_QUERY: the parameter, as far as it can be said; else null */
    char *text;     /* owned */
};

/*
 * "/api/v1/nodes/c/n%201?x=y" as it came (RFC 9112 section 3.2.1, origin form; RFC 3986 section
 * 2.1; "+" in a query is a blank, as forms have it). `method` null = neither GET nor POST.
 * admin_target_fini() in any case.
 */
enum admin_found admin_target_parse(const struct admin_routes *routes, const char *raw,
                                    const enum admin_method *method, struct admin_target *out);
void admin_target_fini(struct admin_target *target);

/* Is it one of these words, separated by blanks? */
bool admin_is_among(const char *words, const char *word);

/*
 * Is this Host header one that a page of somebody else cannot have (DNS rebinding)? A numeric
 * address, "localhost", or none at all; with a port or without.
 */
bool admin_host_is_ours(const char *host);

/* Does an Origin header (null = none) name the same place as Host? Not so: a page of others. */
bool admin_origin_fits(const char *origin, const char *host);

#endif
