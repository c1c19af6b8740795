/*
 * service.h - the parts of a running router, shared by reload, the admin interface and the
 * supervisor. Main thread only.
 */
#ifndef CONTROL_SERVICE_SERVICE_H
#define CONTROL_SERVICE_SERVICE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "proxy/snapshot.h"
#include "proxy/worker/workers.h"

struct connect_watch;
struct discovery;
struct evictor;
struct overrides;
struct prober;
struct reload_participant;
struct tls_keeper;

/* All parts are borrowed from the supervisor, except the first two, which a reload replaces. */
struct service {
    struct snapshot *snapshot; /* a reference */
    struct tls_keeper *tls;    /* owned */

    const char *config_path;
    struct ev_loop *loop;
    struct log *log;
    struct node_registry *registry;
    struct members_source members;
    struct workers workers;
    struct worker_shared *shared;
    uint32_t fd_connections; /* connections that the limit of open files allows */
    struct discovery *discovery;
    struct prober *prober;
    struct evictor *evictor;
    struct overrides *overrides;
    struct connect_watch *connects;
    const struct reload_participant *participant; /* null = none */

    uint64_t loaded_unix_ms; /* time of the last successful load of the configuration */
    uint64_t reloads_failed;
    bool reload_failed; /* the last reload failed: the file's contents are not in use */
};

/* Return limits.max_connections, reduced to what the limit of open files allows. */
static inline uint32_t service_max_connections(const struct service *service)
{
    const uint32_t configured = service->snapshot->config->limits.max_connections;
    return configured && configured < service->fd_connections ? configured
                                                              : service->fd_connections;
}

#endif
