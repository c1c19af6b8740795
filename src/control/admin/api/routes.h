/*
 * routes.h - the table of all routes of the admin interface. A test compares it with
 * config/openapi.json.
 */
#ifndef CONTROL_ADMIN_API_ROUTES_H
#define CONTROL_ADMIN_API_ROUTES_H

#include "control/admin/call.h"
#include "control/admin/target.h"

/*
 * Method, pattern, query parameters (separated by spaces), access, handler. {name} matches one or
 * more bytes except "/".
 */
#define ADMIN_ROUTES(X)                                                                            \
    X(GET, "/", "", OPEN, page)                                                                    \
    X(GET, "/healthz", "", OPEN, healthz)                                                          \
    X(GET, "/readyz", "cluster all", OPEN, readyz)                                                 \
    X(GET, "/metrics", "", SECRET, metrics)                                                        \
    X(GET, "/api/v1/status", "", SECRET, status)                                                   \
    X(GET, "/api/v1/nodes", "", SECRET, nodes)                                                     \
    X(POST, "/api/v1/nodes/{cluster}/{node}", "", SECRET, node_steer)                              \
    X(GET, "/api/v1/listeners", "", SECRET, listeners)                                             \
    X(GET, "/api/v1/certificates", "", SECRET, certificates)                                       \
    X(GET, "/api/v1/config", "", SECRET, config)                                                   \
    X(GET, "/api/v1/route", "cluster client_id username source_ip tls_cn sni", SECRET, route)      \
    X(GET, "/api/v1/sessions", "client_id node source limit", SECRET, sessions)                    \
    X(GET, "/api/v1/sessions/{id}", "", SECRET, session)                                           \
    X(POST, "/api/v1/sessions/{id}/disconnect", "", SECRET, session_disconnect)                    \
    X(GET, "/api/v1/history", "", SECRET, history)                                                 \
    X(GET, "/api/v1/events", "", SECRET, events)                                                   \
    X(POST, "/api/v1/reload", "", SECRET, reload)                                                  \
    X(POST, "/api/v1/log_level", "", SECRET, log_level)                                            \
    X(POST, "/api/v1/homecoming", "", SECRET, homecoming)

/* The handlers. Those of metrics/ and dashboard/ are also declared there. */
#define X(method, pattern, query, access, handler) void admin_##handler(struct admin_call *call);
ADMIN_ROUTES(X)
#undef X

extern const struct admin_routes admin_routes;

#endif
