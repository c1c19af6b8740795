/*
 * admin_status.c - is it alive, is it ready, how is it: GET healthz, readyz, status, config.
 */
#include "admin_routes.h"

void admin_healthz(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}

void admin_readyz(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}

void admin_status(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}

void admin_config(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}
