/*
 * admin_page.c - the dashboard: its page, its plots, recent events.
 */
#include "admin_routes.h"

void admin_page(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}

void admin_history(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}

void admin_events(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}
