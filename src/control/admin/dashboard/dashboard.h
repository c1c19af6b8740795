/*
 * dashboard.h - the page at "/", as bytes in the program: dashboard.html with dashboard.css and
 * dashboard.js in it, put together by embed.cmake when the program is built.
 */
#ifndef CONTROL_ADMIN_DASHBOARD_DASHBOARD_H
#define CONTROL_ADMIN_DASHBOARD_DASHBOARD_H

#include "base/span.h"

/* UTF-8; lives as long as the program. */
struct span dashboard_page(void);

/* The Content-Security-Policy that lets this style and this script run, and nothing else. */
extern const char dashboard_policy[];

#endif
