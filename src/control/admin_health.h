/*
 * admin_health.h - whether devices should be sent here, as GET readyz answers and status repeats.
 */
#ifndef CONTROL_ADMIN_HEALTH_H
#define CONTROL_ADMIN_HEALTH_H

#include <jansson.h>
#include <stdbool.h>

#include "admin_house.h"

/* {"ready", "phase", "reasons"}, the caller's. Null when memory is short: *ready is told then, too.
 */
json_t *admin_readiness(const struct admin_house *house, bool *ready);

#endif
