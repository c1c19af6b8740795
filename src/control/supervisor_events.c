/*
 * supervisor_events.c - event handlers of the main thread while the router serves.
 *
 *    signals            --> drain, stop, reload, reopen the log, log the gauges
 *    workers (ev_async) --> a worker has ended, has lost most of its sessions, sees a node fail
 *    prober, discovery  --> a node's status or a cluster's members have changed
 *    timer, each second --> housekeeping
 */
#include <errno.h>
#include <ev.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "control/admin/dashboard/history.h"
#include "control/health/connect_watch.h"
#include "control/health/evictor.h"
#include "control/health/prober.h"
#include "control/service/gauges.h"
#include "supervisor_internal.h"

#define TRIM_DELAY_S         1.0
#define TRIM_LATEST_US       3000000u
#define HOUSEKEEPING_EVERY_S 1.0

void supervisor_log_gauges(const struct supervisor *sup)
{
    gauges_log(sup->log, &sup->shared, sup->service.snapshot, &sup->service.workers,
               ports_watch_warnings(sup->ports));
}

/* ---- signals ---- */

void supervisor_set_mode(struct supervisor *sup, enum worker_mode mode)
{
    if (mode <= sup->mode)
        return;
    sup->mode = mode;
    for (unsigned i = 0; i < sup->service.workers.n; i++)
        worker_set_mode(sup->service.workers.list[i], mode);
    if (!sup->started)
        ev_break(sup->loop, EVBREAK_ALL);
}

static double shutdown_s(const struct supervisor *sup)
{
    return sup->service.snapshot ? sup->service.snapshot->config->timeouts.shutdown_ms / 1000.0 : 0;
}

static void on_term(struct ev_loop *loop, struct ev_signal *signal, int events)
{
    (void)events;
    struct supervisor *sup = signal->data;
    if (sup->mode >= WORKER_DRAIN)
        return; /* a second signal does not restart the time limit */
    log_event(sup->log, LOG_NOTICE, "router.stopping", "how", "paced");
    supervisor_set_mode(sup, WORKER_DRAIN);
    ev_timer_set(&sup->shutdown_over, shutdown_s(sup), 0);
    ev_timer_start(loop, &sup->shutdown_over);
}

static void on_int(struct ev_loop *loop, struct ev_signal *signal, int events)
{
    (void)loop;
    (void)events;
    struct supervisor *sup = signal->data;
    log_event(sup->log, LOG_NOTICE, "router.stopping", "how", "immediate");
    supervisor_set_mode(sup, WORKER_STOP);
}

static void on_shutdown_over(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct supervisor *sup = timer->data;
    supervisor_set_mode(sup, WORKER_STOP);
}

static void on_hup(struct ev_loop *loop, struct ev_signal *signal, int events)
{
    (void)loop;
    (void)events;
    struct supervisor *sup = signal->data;
    sup->reload_pending = !sup->started;
    if (sup->started && sup->mode == WORKER_RUN)
        (void)!reload(&sup->service, NULL); /* a failure is logged */
}

/* Reopen the log file, which logrotate has renamed. */
static void on_usr1(struct ev_loop *loop, struct ev_signal *signal, int events)
{
    (void)loop;
    (void)events;
    struct supervisor *sup = signal->data;
    if (!log_reopen(sup->log))
        log_event(sup->log, LOG_WARN, "log.not_reopened", "error", strerrordesc_np(errno));
}

static void on_usr2(struct ev_loop *loop, struct ev_signal *signal, int events)
{
    (void)loop;
    (void)events;
    struct supervisor *sup = signal->data;
    if (sup->started)
        supervisor_log_gauges(sup);
}

/* ---- workers: note_*() is called on their threads ---- */

static void note_ended(void *arg)
{
    struct supervisor *sup = arg;
    atomic_fetch_add_explicit(&sup->n_ended, 1, memory_order_release);
    ev_async_send(sup->loop, &sup->worker_ended);
}

static void on_worker_ended(struct ev_loop *loop, struct ev_async *async, int events)
{
    (void)events;
    struct supervisor *sup = async->data;
    /* acquire: pairs with note_ended() */
    if (atomic_load_explicit(&sup->n_ended, memory_order_acquire) >= sup->service.workers.n)
        ev_break(loop, EVBREAK_ALL);
}

static void note_freed_memory(void *arg)
{
    struct supervisor *sup = arg;
    ev_async_send(sup->loop, &sup->worker_freed);
}

/*
 * More memory is probably about to be freed: wait until none has been for a while, but not forever.
 * Devices that connect all the time must not keep the memory of a storm.
 */
static void on_worker_freed(struct ev_loop *loop, struct ev_async *async, int events)
{
    (void)events;
    struct supervisor *sup = async->data;
    const uint64_t now_us = clock_monotonic_us();
    if (!ev_is_active(&sup->trim))
        sup->trim_latest_us = now_us + TRIM_LATEST_US;
    else if (now_us + (uint64_t)(TRIM_DELAY_S * 1e6) > sup->trim_latest_us)
        return; /* the timer fires soon */
    ev_timer_stop(loop, &sup->trim);
    ev_timer_set(&sup->trim, TRIM_DELAY_S, 0);
    ev_timer_start(loop, &sup->trim);
}

/*
 * malloc keeps the memory of closed sessions and of detached TLS connections, spread over the
 * workers' arenas: 7.6 MiB after 9,000 sessions. Trimming a large heap takes milliseconds, so it is
 * done on the main thread.
 */
static void on_trim(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    malloc_trim(0);
}

static void note_failing(void *arg)
{
    struct supervisor *sup = arg;
    if (prober_note_failing(sup->service.prober))
        ev_async_send(sup->loop, &sup->node_failing);
}

static void on_node_failing(struct ev_loop *loop, struct ev_async *async, int events)
{
    (void)loop, (void)events;
    struct supervisor *sup = async->data;
    prober_check_failures(sup->service.prober);
}

void supervisor_set_callbacks(struct supervisor *sup)
{
    sup->shared.ended = note_ended;
    sup->shared.freed_memory = note_freed_memory;
    sup->shared.failing = note_failing;
    sup->shared.arg = sup;
}

/* ---- nodes ---- */

void supervisor_wake_workers(void *arg)
{
    struct supervisor *sup = arg;
    for (unsigned i = 0; i < sup->service.workers.n; i++)
        worker_wake(sup->service.workers.list[i]);
}

void supervisor_on_node_changed(void *arg, struct node_live *live)
{
    (void)live;
    struct supervisor *sup = arg;
    evictor_check(sup->service.evictor);
    supervisor_wake_workers(sup); /* sessions waiting for the node are placed elsewhere */
}

void supervisor_take_members(struct supervisor *sup)
{
    if (sup->members_pending && sup->mode == WORKER_RUN)
        sup->members_pending = !reload_members(&sup->service);
}

void supervisor_on_members_changed(void *arg)
{
    struct supervisor *sup = arg;
    sup->members_pending = true;
    if (sup->started)
        supervisor_take_members(sup);
}

static void on_housekeeping(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct supervisor *sup = timer->data;
    supervisor_take_members(sup);
    log_tell_suppressed(sup->log);
    ports_watch_check(sup->ports, sup->service.snapshot, sup->log);
    connect_watch_check(sup->service.connects, sup->service.snapshot, sup->service.prober,
                        sup->log);
    evictor_check(sup->service.evictor); /* sessions can be off-home without a status change */
    history_update(sup->context.history, &sup->service);
}

/* ---- watchers ---- */

static void watch_signals(struct supervisor *sup)
{
    struct {
        struct ev_signal *watcher;
        void (*callback)(struct ev_loop *loop, struct ev_signal *signal, int events);
        int number;
    } signals[] = {{&sup->on_int, on_int, SIGINT},
                   {&sup->on_term, on_term, SIGTERM},
                   {&sup->on_hup, on_hup, SIGHUP},
                   {&sup->on_usr1, on_usr1, SIGUSR1},
                   {&sup->on_usr2, on_usr2, SIGUSR2}};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        ev_signal_init(signals[i].watcher, signals[i].callback, signals[i].number);
        signals[i].watcher->data = sup;
        ev_signal_start(sup->loop, signals[i].watcher);
    }
    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL uses write(2) */
}

static void watch_workers(struct supervisor *sup)
{
    struct {
        struct ev_async *watcher;
        void (*callback)(struct ev_loop *loop, struct ev_async *async, int events);
    } asyncs[] = {{&sup->worker_freed, on_worker_freed},
                  {&sup->node_failing, on_node_failing},
                  {&sup->worker_ended, on_worker_ended}};
    for (size_t i = 0; i < ARRAY_LEN(asyncs); i++) {
        ev_async_init(asyncs[i].watcher, asyncs[i].callback);
        asyncs[i].watcher->data = sup;
        ev_async_start(sup->loop, asyncs[i].watcher);
    }
}

void supervisor_watch(struct supervisor *sup)
{
    watch_signals(sup);
    watch_workers(sup);
    ev_init(&sup->shutdown_over, on_shutdown_over);
    sup->shutdown_over.data = sup;
    ev_init(&sup->trim, on_trim);
    ev_timer_init(&sup->housekeeping, on_housekeeping, HOUSEKEEPING_EVERY_S, HOUSEKEEPING_EVERY_S);
    sup->housekeeping.data = sup;
}
