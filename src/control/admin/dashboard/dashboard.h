/*
 * dashboard.h - the page at "/" and its data. The build combines dashboard.html, dashboard.css and
 * dashboard.js into one page and embeds it in the program (embed.cmake).
 */
#ifndef CONTROL_ADMIN_DASHBOARD_DASHBOARD_H
#define CONTROL_ADMIN_DASHBOARD_DASHBOARD_H

#include "base/span.h"

struct admin_call;

void admin_page(struct admin_call *call);    /* GET / */
void admin_history(struct admin_call *call); /* GET /api/v1/history */
void admin_events(struct admin_call *call);  /* GET /api/v1/events */

/* Return the page, which is static and in UTF-8. */
struct span dashboard_page(void);

/* A Content-Security-Policy that allows only the page's own style and script. */
extern const char dashboard_policy[];

#endif
