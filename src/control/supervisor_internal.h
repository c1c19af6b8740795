/*
 * supervisor_internal.h - the main thread's state, shared by the files of the supervisor.
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
    struct admin_context context;
    struct log *log; /* owned */
    struct ev_loop *loop;
    struct ev_signal on_int, on_term, on_hup, on_usr1, on_usr2;
    struct ev_timer shutdown_over;
    struct ev_async worker_ended, worker_emptied, node_failing;
    struct ev_timer trim, waited, look_around;
    _Atomic unsigned n_ended; /* release by the ending worker, acquire here */
    enum worker_mode ordered;
    bool started;         /* the workers' threads have begun */
    bool members_pending; /* were found before they had, or there was no memory to take them */
    bool reload_pending;  /* was asked for before they had */
    bool listening;
    bool trial;                    /* supervisor_check(): nothing that others can see may change */
    int trial_fd;                  /* a file in memory with the log lines of a trial; -1 = none */
    struct worker_socket *sockets; /* owned; of the first snapshot, until they are announced */
    FILE *out;                     /* borrowed */
};

/* How many threads a configuration wants, on this machine. */
unsigned supervisor_workers(const struct config *config);

/* Say that memory is short; false. */
bool supervisor_no_memory(const struct supervisor *sup);

/*
 * From a loop, a log and those who watch over nodes (init in supervisor.c) to running workers.
 *
 *   config   taken
 *   to       whom to run as, of preparation_load()
 *
 * A trial stops before the threads. False when anything is wrong; it was reported then, and what
 * was made is supervisor.c's to undo.
 */
MUST_USE bool supervisor_start(struct supervisor *sup, struct config *config,
                               const struct privileges *to);

#endif
