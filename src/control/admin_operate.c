/*
 * admin_operate.c - POST reload and log_level.
 */
#include "admin_routes.h"

void admin_reload(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}

void admin_log_level(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}
