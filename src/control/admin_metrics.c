/*
 * admin_metrics.c - GET /metrics.
 */
#include "admin_routes.h"

void admin_metrics(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}
