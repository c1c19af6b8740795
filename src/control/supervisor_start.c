/*
 * supervisor_start.c - start the workers for a configuration, step by step.
 *
 *    create workers -> snapshot -> load keys, open listening sockets -> drop privileges
 *    -> wait for discovered members -> start the threads
 *
 * A failed step is reported; supervisor.c undoes the steps before it. Nothing from the network, not
 * even a DNS answer, is read before the privileges are dropped.
 */
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/admin/api/routes.h"
#include "control/discovery/discovery.h"
#include "control/health/evictor.h"
#include "control/health/prober.h"
#include "control/host/accounts.h"
#include "control/host/host.h"
#include "control/host/privileges.h"
#include "control/host/sandbox.h"
#include "control/reload/listening.h"
#include "control/reload/prepare.h"
#include "control/tls/keeper.h"
#include "proxy/worker/workers.h"
#include "supervisor_internal.h"

#define DISCOVERY_WAIT_S 3.0 /* longest wait for DNS answers before clients are accepted */
#define WORKERS_MAX      256 /* limit in the configuration; session ids have 8 bits for it */

unsigned supervisor_workers(const struct config *config)
{
    if (config->workers > 0)
        return config->workers;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > WORKERS_MAX ? WORKERS_MAX : cores > 0 ? (unsigned)cores : 1;
}

bool supervisor_no_memory(const struct supervisor *sup)
{
    (void)fprintf(sup->out, "error: out of memory\n");
    return false;
}

static bool make_workers(struct supervisor *sup, const struct config *config, unsigned count)
{
    struct workers *workers = &sup->service.workers;
    workers->list = calloc(count, sizeof(struct worker *));
    while (workers->list && workers->n < count) {
        struct worker *w = worker_new(&sup->shared, workers->n, config->limits.relay_buffer_bytes);
        if (!w)
            break;
        workers->list[workers->n++] = w;
    }
    return workers->n == count || supervisor_no_memory(sup);
}

/* Create the first snapshot, and pass it to the parts that watch the nodes. */
static bool make_snapshot(struct supervisor *sup, struct config *config)
{
    struct service *service = &sup->service;
    if (!discovery_take(service->discovery, config, NULL)) {
        config_free(config);
        return supervisor_no_memory(sup);
    }
    service->snapshot = snapshot_new(config, &sup->registry, &service->members, NULL);
    return (service->snapshot && evictor_take(service->evictor, service->snapshot) &&
            prober_take(service->prober, service->snapshot, true)) ||
           supervisor_no_memory(sup);
}

/* Unix socket files belong to the user that the router runs as, so that it can remove them. */
static struct socket_permissions own_rights(const struct privileges *to)
{
    const bool other = to->uid != geteuid();
    return (struct socket_permissions){.mode = SOCKET_PERMISSIONS_KEEP,
                                       .owner = other ? to->uid : SOCKET_PERMISSIONS_KEEP,
                                       .group = other ? to->gid : SOCKET_PERMISSIONS_KEEP};
}

/* Open the listening sockets and load the certificates: both can fail. */
static bool publish_first(struct supervisor *sup, const struct privileges *to)
{
    struct service *service = &sup->service;
    const struct socket_permissions rights = own_rights(to);
    const struct listening_place place = {.workers = service->workers.n,
                                          .log = sup->log,
                                          .out = sup->out,
                                          .dry_run = sup->dry_run,
                                          .rights = &rights};
    char error[WORKER_TLS_ERROR_MAX];
    struct publication publication;
    sup->sockets =
        calloc(service->workers.n * service->snapshot->n_bindings, sizeof(*sup->sockets));
    if (!sup->sockets)
        return supervisor_no_memory(sup);
    sup->listening = listening_open(service->snapshot, NULL, sup->sockets, &place);
    if (!sup->listening)
        return false;
    if (!publication_prepare(&publication, &service->workers, service->snapshot, sup->sockets,
                             tls_keeper_keys(service->tls), error)) {
        (void)fprintf(sup->out, "error: %s\n", error);
        return false;
    }
    publication_commit(&publication);
    return true;
}

static bool prepare_admin(void *arg, const struct config *to, FILE *out)
{
    return admin_prepare(arg, to->admin, out);
}

static bool change_admin_rights(void *arg, const struct config *to, const struct config *from,
                                FILE *out)
{
    return admin_change_rights(arg, to->admin, from->admin, out);
}

static void commit_admin(void *arg)
{
    admin_commit(arg);
}

/* The admin interface listens before the privileges are dropped, and serves afterwards. */
static bool open_admin(struct supervisor *sup, const struct privileges *to)
{
    const struct admin_conf *conf = sup->service.snapshot->config->admin;
    const struct socket_permissions rights = own_rights(to);
    const struct admin_options options = {
        .rights = &rights, .trial = sup->dry_run, .out = sup->out};
    if (!conf)
        return true;
    sup->admin = admin_new(conf, &sup->context, &admin_routes, &options);
    sup->participant = (struct reload_participant){.arg = sup->admin,
                                                   .prepare = prepare_admin,
                                                   .change_rights = change_admin_rights,
                                                   .commit = commit_admin};
    if (sup->admin)
        sup->service.participant = &sup->participant;
    return sup->admin;
}

static bool start_admin(struct supervisor *sup)
{
    return !sup->admin || admin_start(sup->admin, sup->loop, sup->log, sup->out);
}

/* Give the sockets to the user that the router runs as, then drop the privileges. */
static bool drop_privileges(struct supervisor *sup, const struct privileges *to)
{
    const struct service *service = &sup->service;
    const struct config *config = service->snapshot->config;
    for (size_t i = 0; i < service->workers.n * service->snapshot->n_bindings; i++)
        privileges_hand_over(to, sup->sockets[i].fd);
    if (sup->admin && admin_fd(sup->admin) >= 0)
        privileges_hand_over(to, admin_fd(sup->admin));
    if (!privileges_drop(to, sup->out))
        return false;
    privileges_warn(sup->log, config, service->config_path);
    accounts_confine();
    int error = config->sandbox ? sandbox_enter() : 0;
    if (error)
        log_event(sup->log, LOG_WARN, "sandbox.unavailable", "error", strerrordesc_np(error));
    return true;
}

static void on_waited(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events; /* the event only ends a loop iteration */
}

/*
 * Wait for discovered nodes. Without nodes, the router would reject clients that reconnect after a
 * restart, and they would back off. Meanwhile, their connections wait in the accept queues.
 */
static void wait_for_members(struct supervisor *sup)
{
    ev_timer_init(&sup->waited, on_waited, DISCOVERY_WAIT_S, 0);
    ev_timer_start(sup->loop, &sup->waited);
    while (!discovery_is_settled(sup->service.discovery) && ev_is_active(&sup->waited) &&
           sup->mode == WORKER_RUN)
        ev_run(sup->loop, EVRUN_ONCE);
    ev_timer_stop(sup->loop, &sup->waited);
    supervisor_take_members(sup);
}

/* Start the threads with all signals blocked, because only the main thread handles signals. */
static bool start_workers(struct supervisor *sup)
{
    struct service *service = &sup->service;
    sigset_t all, before;
    service->fd_connections = host_limits_connections(sup->admin ? ADMIN_DESCRIPTORS : 0);
    atomic_store_explicit(&sup->shared.max_connections, service_max_connections(service),
                          memory_order_relaxed);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    sup->started = true;
    for (unsigned i = 0; sup->started && i < service->workers.n; i++) {
        sup->started = worker_start(service->workers.list[i]);
        if (!sup->started)
            (void)fprintf(sup->out, "error: cannot start a thread: %s\n", strerror(errno));
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return sup->started;
}

/* Log the warnings that startup would log. */
static void warn(const struct supervisor *sup)
{
    const struct service *service = &sup->service;
    const uint32_t reserved = sup->admin ? ADMIN_DESCRIPTORS : 0;
    host_limits_warn(sup->log, service->snapshot->config, host_limits_connections(reserved));
    tls_keeper_log(service->tls);
}

bool supervisor_start(struct supervisor *sup, struct config *config, const struct privileges *to)
{
    if (!make_workers(sup, config, supervisor_workers(config))) {
        config_free(config);
        return false;
    }
    if (!make_snapshot(sup, config))
        return false;
    sup->service.tls = tls_keeper_new(sup->service.snapshot, NULL, sup->log, sup->out);
    if (!sup->service.tls || !publish_first(sup, to) || !open_admin(sup, to) ||
        !drop_privileges(sup, to))
        return false;
    if (sup->dry_run) {
        warn(sup);
        return true;
    }
    if (!start_admin(sup))
        return false;
    wait_for_members(sup);
    return start_workers(sup);
}
