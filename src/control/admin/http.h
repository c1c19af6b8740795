/*
 * http.h - HTTP/1.1 by libmicrohttpd on a loop of ours: connections in, answers out.
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
#define ADMIN_HELD_MAX        64u /* the rest is for probes and scrapes meanwhile */
#define ADMIN_REQUEST_S       10u /* for a whole request, from its connection or its first line */
#define ADMIN_ANSWER_S        60u /* to read the answer */
#define ADMIN_IDLE_S          75u /* between two: a scrape a minute keeps its connection */
#define ADMIN_BODY_MAX        65536u /* bytes */

/* What it serves by; all borrowed. */
struct admin_http_conf {
    int listen_fd;
    struct ev_loop *loop;
    struct log *log;
    struct admin_context *context;
    const struct admin_routes *routes;
    const struct bearer_token *token; /* asked at each request: it may change */
};

MUST_USE struct admin_http *admin_http_new(const struct admin_http_conf *conf);

/* Close every connection; held calls get their `gone`. Null is allowed. */
void admin_http_free(struct admin_http *http);

#endif
