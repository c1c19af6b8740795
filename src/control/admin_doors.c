/*
 * admin_doors.c - listeners and certificates.
 */
#include "admin_routes.h"

void admin_listeners(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}

void admin_certificates(struct admin_call *call)
{
    admin_problem(call, 501, "not_built", "not built yet");
}
