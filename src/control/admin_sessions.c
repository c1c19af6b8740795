/*
 * admin_sessions.c - look for sessions, and end one.
 */
#include "admin_routes.h"

void admin_sessions(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}

void admin_session(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}

void admin_session_disconnect(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}
