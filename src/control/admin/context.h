/*
 * context.h - what the handlers of the admin interface look at and steer; all of the main
 * thread, and borrowed from the supervisor.
 */
#ifndef CONTROL_ADMIN_CONTEXT_H
#define CONTROL_ADMIN_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "control/reload/reload.h"

struct history;
struct key_shares;
struct overrides;
struct ports_watch;
struct session_queries;

enum admin_phase { ADMIN_STARTING, ADMIN_SERVING, ADMIN_DRAINING };

struct admin_context {
    struct service *service; /* snapshot, workers, prober, evictor, ...: follow it each time */
    struct ports_watch *ports;
    struct history *history;     /* the last 15 minutes, for the dashboard */
    struct overrides *overrides; /* what was changed at run time */
    struct key_shares *shares;
    struct session_queries *queries; /* questions to the workers */
    enum admin_phase (*phase)(const void *arg);
    void *arg;
    uint64_t started_us;      /* of the monotonic clock */
    uint64_t started_unix_ms; /* the same by the time of day then: it never moves */
};

#endif
