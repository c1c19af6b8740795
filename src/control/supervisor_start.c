/*
 * supervisor_start.c - from a configuration to workers that run, one step after the other.
 *
 *    make workers -> snapshot -> load keys, open listening sockets -> give up privileges
 *    -> wait for members -> start threads
 *        any failure: it is said; supervisor.c undoes what is there
 *
 * Nothing that comes from the network, an answer of a DNS server included, is read before
 * privileges are gone.
 */
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/admin/api/routes.h"
#include "control/host/accounts.h"
#include "control/host/host.h"
#include "control/host/privileges.h"
#include "control/host/sandbox.h"
#include "control/reload/listening.h"
#include "proxy/worker/workers.h"
#include "supervisor_internal.h"

#define DISCOVERY_WAIT_S 3.0 /* for the first answers, before the first device is served */
#define WORKERS_MAX      256 /* as the configuration has it; session ids have 8 bits for the worker */

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

/* The nodes that are known by now, and those who watch over them. */
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

/* The file of a Unix socket belongs to the user that has to remove it. */
static struct socket_permissions own_rights(const struct privileges *to)
{
    const bool other = to->uid != geteuid();
    return (struct socket_permissions){.mode = SOCKET_PERMISSIONS_KEEP,
                                       .owner = other ? to->uid : SOCKET_PERMISSIONS_KEEP,
                                       .group = other ? to->gid : SOCKET_PERMISSIONS_KEEP};
}

/* Doors and certificates: what can fail is said here, before a thread starts. */
static bool publish_first(struct supervisor *sup, const struct privileges *to)
{
    struct service *service = &sup->service;
    const struct socket_permissions rights = own_rights(to);
    const struct listening_place place = {.workers = service->workers.n,
                                          .log = sup->log,
                                          .out = sup->out,
                                          .trial = sup->trial,
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

/* The admin interface's door is opened before privileges go, and served after that. */
static bool open_admin(struct supervisor *sup, const struct privileges *to)
{
    const struct admin_conf *conf = sup->service.snapshot->config->admin;
    const struct socket_permissions rights = own_rights(to);
    const struct admin_options options = {.rights = &rights, .trial = sup->trial, .out = sup->out};
    if (conf)
        sup->service.admin = admin_new(conf, &sup->context, &admin_routes, &options);
    return !conf || sup->service.admin;
}

static bool start_admin(struct supervisor *sup)
{
    return !sup->service.admin || admin_start(sup->service.admin, sup->loop, sup->log, sup->out);
}

/* Drop the privileges that only the start needs, after giving the sockets to their new owner. */
static bool give_up_privileges(struct supervisor *sup, const struct privileges *to)
{
    const struct service *service = &sup->service;
    const struct config *config = service->snapshot->config;
    for (size_t i = 0; i < service->workers.n * service->snapshot->n_bindings; i++)
        privileges_hand_over(to, sup->sockets[i].fd);
    if (service->admin && admin_fd(service->admin) >= 0)
        privileges_hand_over(to, admin_fd(service->admin));
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
    (void)events; /* it ends a turn of the loop: that is all it is for */
}

/*
 * A fleet that comes back to a router which knows no node yet would be refused, and back off.
 * Its connections wait in the listening sockets' queues meanwhile.
 */
static void wait_for_members(struct supervisor *sup)
{
    ev_timer_init(&sup->waited, on_waited, DISCOVERY_WAIT_S, 0);
    ev_timer_start(sup->loop, &sup->waited);
    while (!discovery_is_settled(sup->service.discovery) && ev_is_active(&sup->waited) &&
           sup->ordered == WORKER_RUN)
        ev_run(sup->loop, EVRUN_ONCE);
    ev_timer_stop(sup->loop, &sup->waited);
    if (sup->members_pending && sup->ordered == WORKER_RUN)
        sup->members_pending = !reload_members(&sup->service);
}

/* Threads inherit the mask: signals are for the main thread alone. */
static bool start_workers(struct supervisor *sup)
{
    struct service *service = &sup->service;
    sigset_t all, before;
    service->carried = host_limits_connections(service->admin ? ADMIN_DESCRIPTORS : 0);
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

/* Log what a start logs once it serves. */
static void warn(const struct supervisor *sup)
{
    const struct service *service = &sup->service;
    const uint32_t others = service->admin ? ADMIN_DESCRIPTORS : 0;
    host_limits_warn(sup->log, service->snapshot->config, host_limits_connections(others));
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
        !give_up_privileges(sup, to))
        return false;
    if (sup->trial) {
        warn(sup);
        return true;
    }
    if (!start_admin(sup))
        return false;
    wait_for_members(sup);
    return start_workers(sup);
}
