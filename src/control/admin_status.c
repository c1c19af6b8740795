/*
 * admin_status.c - how is it, and by what: GET status, config.
 */
#include "admin_routes.h"

void admin_status(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}

void admin_config(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}
