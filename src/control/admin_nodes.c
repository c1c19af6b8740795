/*
 * admin_nodes.c - nodes: what they are, where a device belongs, and steering them.
 */
#include "admin_routes.h"

void admin_nodes(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}

void admin_node_steer(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}

void admin_route(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}

void admin_homecoming(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}
