/*
 * http.h - the HTTP/1.1 server of the admin interface: libmicrohttpd on the main thread's loop.
 */
#ifndef CONTROL_ADMIN_HTTP_H
#define CONTROL_ADMIN_HTTP_H

#include <ev.h>

#include "base/bearer_token.h"
#include "base/log.h"
#include "base/util.h"
#include "context.h"
#include "server.h"
#include "target.h"

struct admin_http;

#define ADMIN_CONNECTIONS_MAX ADMIN_DESCRIPTORS
#define ADMIN_HELD_MAX        64u /* held calls; leaves connections for probes and scrapes */
#define ADMIN_REQUEST_S       10u /* time limit for a request, from accept or its first line */
#define ADMIN_ANSWER_S        60u /* time limit for the client to read the response */
#define ADMIN_IDLE_S          75u /* idle timeout between requests; allows a scrape every minute */
#define ADMIN_BODY_MAX        65536u /* bytes */

/* All borrowed. */
struct admin_http_conf {
    int listen_fd;
    struct ev_loop *loop;
    struct log *log;
    struct admin_context *context;
    const struct admin_routes *routes;
    const struct bearer_token *token; /* read for each request, because a reload can change it */
};

MUST_USE struct admin_http *admin_http_new(const struct admin_http_conf *conf);

/* Close all connections. `gone` is called for each held call. Null is allowed. */
void admin_http_free(struct admin_http *http);

#endif
