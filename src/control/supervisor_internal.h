/*
 * supervisor_internal.h - the state of the main thread, shared by the files of the supervisor.
 *
 *    supervisor.c  -->  supervisor_start.c  -->  supervisor_events.c
 */
#ifndef CONTROL_SUPERVISOR_INTERNAL_H
#define CONTROL_SUPERVISOR_INTERNAL_H

#include <ev.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/log.h"
#include "base/util.h"
#include "control/admin/server.h"
#include "control/health/ports_watch.h"
#include "control/host/privileges.h"
#include "control/reload/reload.h"
#include "model/config/config.h"
#include "proxy/worker/workers.h"

struct supervisor {
    struct worker_shared shared;
    struct service service;
    struct node_registry registry;
    struct ports_watch *ports; /* owned */
    struct admin *admin;       /* owned; null = no admin interface */
    struct admin_context context;
    struct reload_participant participant; /* the admin interface, which takes part in reloads */
    struct log *log;                       /* owned */
    struct ev_loop *loop;
    struct ev_signal on_int, on_term, on_hup, on_usr1, on_usr2;
    struct ev_timer shutdown_over;
    struct ev_async worker_ended, worker_freed, node_failing;
    struct ev_timer trim, waited, housekeeping;
    uint64_t trim_latest_us;  /* monotonic: the trim is not put off beyond this */
    _Atomic unsigned n_ended; /* release by the ending worker, acquire here */
    enum worker_mode mode;
    bool started;         /* the worker threads are running */
    bool members_pending; /* members are not applied yet: too early, or out of memory */
    bool reload_pending;  /* a reload was requested before the workers were running */
    bool listening;
    bool dry_run;                  /* supervisor_check(): change nothing outside this process */
    int dry_run_fd;                /* memfd with the log of a dry run; -1 = none */
    struct worker_socket *sockets; /* owned; those of the first snapshot, until announced */
    FILE *out;                     /* borrowed */
};

/* ---- supervisor_events.c ---- */

/* Handle signals and the workers' events on sup->loop from now on. */
void supervisor_watch(struct supervisor *sup);

/* Set the callbacks of sup->shared, which the workers call on their threads. */
void supervisor_set_callbacks(struct supervisor *sup);

/* Callbacks for the parts of the service; `arg` is the supervisor. */
void supervisor_on_node_changed(void *arg, struct node_live *live);
void supervisor_on_members_changed(void *arg);
void supervisor_wake_workers(void *arg);

/* Set the mode of all workers; a mode below the current one is ignored. */
void supervisor_set_mode(struct supervisor *sup, enum worker_mode mode);

/* Apply discovered members; if out of memory, housekeeping tries again. */
void supervisor_take_members(struct supervisor *sup);

void supervisor_log_gauges(const struct supervisor *sup);

/* ---- supervisor_start.c ---- */

/* Number of worker threads for this configuration on this host. */
unsigned supervisor_workers(const struct config *config);

/* Report "out of memory". Returns false. */
bool supervisor_no_memory(const struct supervisor *sup);

/*
 * Start the workers. The loop, the log and the parts of the service must exist already.
 *
 *   config   ownership is taken
 *   to       the user to run as, from prepare_config()
 *
 * A dry run stops before the threads start. Returns false on an error, which was reported; the
 * caller then frees all parts.
 */
MUST_USE bool supervisor_start(struct supervisor *sup, struct config *config,
                               const struct privileges *to);

#endif
