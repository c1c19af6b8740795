/*
 * routes.c - the table of all routes, with their handlers.
 *
 * The only file of the admin interface that names every handler. server.c gets a pointer to the
 * table, so lower layers do not depend on the handlers.
 */
#include "routes.h"

#include "control/admin/dashboard/dashboard.h"

static const struct admin_route list[] = {
#define X(method, pattern, query, access, handler)                                                 \
    {ADMIN_##method, pattern, query, ADMIN_##access, admin_##handler},
    ADMIN_ROUTES(X)
#undef X
};

const struct admin_routes admin_routes = {
    .list = list, .n = ARRAY_LEN(list), .page_policy = dashboard_policy};
