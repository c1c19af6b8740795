/*
 * time.h - points in time for people and programs: RFC 3339, UTC, with milliseconds.
 */
#ifndef CONTROL_ADMIN_TIME_H
#define CONTROL_ADMIN_TIME_H

#include <jansson.h>
#include <stdint.h>

/* "2026-01-02T03:04:05.678Z"; from the real-time clock, in milliseconds since 1970. */
json_t *admin_time(uint64_t unix_ms);

/* What time it was so long ago. */
json_t *admin_time_ago(uint64_t ago_ms);

#endif
