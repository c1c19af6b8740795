/*
 * dashboard.h - the page at "/", as bytes in the program: dashboard.html with dashboard.css and
 * dashboard.js in it, put together by embed.cmake when the program is built.
 */
#ifndef CONTROL_ADMIN_DASHBOARD_DASHBOARD_H
#define CONTROL_ADMIN_DASHBOARD_DASHBOARD_H

#include "base/span.h"

struct admin_call;

void admin_page(struct admin_call *call);    /* GET / */
void admin_history(struct admin_call *call); /* GET /api/v1/history */
void admin_events(struct admin_call *call);  /* GET /api/v1/events */

/* UTF-8; lives as long as the program. */
struct span dashboard_page(void);

/* The Content-Security-Policy that lets this style and this script run, and nothing else. */
extern const char dashboard_policy[];

#endif
