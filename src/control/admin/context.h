/*
 * context.h - the objects that the handlers of the admin interface use. Main thread only; all
 * pointers are borrowed from the supervisor.
 */
#ifndef CONTROL_ADMIN_CONTEXT_H
#define CONTROL_ADMIN_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "control/service/service.h"

struct history;
struct key_shares;
struct overrides;
struct ports_watch;
struct session_queries;

enum admin_phase { ADMIN_STARTING, ADMIN_SERVING, ADMIN_DRAINING };

struct admin_context {
    struct service
        *service; /* snapshot, workers, prober, ...: its members change, so do not store them */
    struct ports_watch *ports;
    struct history *history;     /* samples of the last 15 minutes, for the dashboard */
    struct overrides *overrides; /* changes made at run time */
    struct key_shares *shares;
    struct session_queries *queries; /* session queries to the workers */
    enum admin_phase (*phase)(const void *arg);
    void *arg;
    uint64_t started_us;      /* monotonic clock */
    uint64_t started_unix_ms; /* the same in wall-clock time; not updated if the clock is set */
};

#endif
