/*
 * supervisor.c - the main thread: start the workers, heed signals, end in order.
 *
 *    open listening sockets -> make workers -> start threads -> loop on signals
 *        any failure: say it, undo, exit code 1                  |
 *    join, free  <- all ended <- STOP after shutdown_ms  <- DRAIN (SIGTERM) / STOP (SIGINT)
 */
#include "control/supervisor.h"

#include <errno.h>
#include <ev.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "control/host_check.h"
#include "control/host_limits.h"
#include "gauges.h"
#include "listening.h"
#include "ports_watch.h"
#include "proxy/worker.h"
#include "reload.h"

#define TRIM_DELAY_S     1.0
#define DISCOVERY_WAIT_S 3.0 /* for the first answers, before the first device is served */
#define LOOK_EVERY_S     1.0
#define WORKERS_MAX      256 /* as the configuration has it; session ids have 8 bits for the worker */

struct supervisor {
    struct worker_shared shared;
    struct service service;
    struct node_registry registry;
    struct ports_watch *ports; /* owned */
    struct log *log;           /* owned */
    struct ev_loop *loop;
    struct ev_signal on_int, on_term, on_hup, on_usr2;
    struct ev_timer shutdown_over;
    struct ev_async worker_ended, worker_emptied;
    struct ev_timer trim, waited, look_around;
    _Atomic unsigned n_ended; /* release by the ending worker, acquire here */
    enum worker_order ordered;
    bool started;         /* the workers' threads have begun */
    bool members_pending; /* were found before they had, or there was no memory to take them */
    bool reload_pending;  /* was asked for before they had */
    bool doors_are_open;
    struct worker_door *doors; /* owned; of the first snapshot, until they are announced */
    FILE *out;                 /* borrowed */
};

static void log_gauges(const struct supervisor *sup)
{
    gauges_log(sup->log, &sup->shared, sup->service.snapshot, &sup->service.crew,
               ports_watch_warnings(sup->ports));
}

/* ---- ending ---- */

static void order_all(struct supervisor *sup, enum worker_order order)
{
    if (order <= sup->ordered)
        return;
    sup->ordered = order;
    for (unsigned i = 0; i < sup->service.crew.n; i++)
        worker_order(sup->service.crew.workers[i], order);
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
    if (sup->ordered >= WORKER_DRAIN)
        return; /* it is under way, and its time is running */
    log_event(sup->log, LOG_NOTICE, "router.stopping", "how", "paced");
    order_all(sup, WORKER_DRAIN);
    ev_timer_set(&sup->shutdown_over, shutdown_s(sup), 0);
    ev_timer_start(loop, &sup->shutdown_over);
}

static void on_int(struct ev_loop *loop, struct ev_signal *signal, int events)
{
    (void)loop;
    (void)events;
    struct supervisor *sup = signal->data;
    log_event(sup->log, LOG_NOTICE, "router.stopping", "how", "at once");
    order_all(sup, WORKER_STOP);
}

static void on_shutdown_over(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct supervisor *sup = timer->data;
    order_all(sup, WORKER_STOP);
}

static void on_hup(struct ev_loop *loop, struct ev_signal *signal, int events)
{
    (void)loop;
    (void)events;
    struct supervisor *sup = signal->data;
    sup->reload_pending = !sup->started;
    if (sup->started && sup->ordered == WORKER_RUN)
        reload(&sup->service);
}

static void on_usr2(struct ev_loop *loop, struct ev_signal *signal, int events)
{
    (void)loop;
    (void)events;
    struct supervisor *sup = signal->data;
    if (sup->started)
        log_gauges(sup);
}

/* Called on a worker's thread. */
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
    if (atomic_load_explicit(&sup->n_ended, memory_order_acquire) >= sup->service.crew.n)
        ev_break(loop, EVBREAK_ALL);
}

/* ---- memory ---- */

/* Called on a worker's thread. */
static void note_emptied(void *arg)
{
    struct supervisor *sup = arg;
    ev_async_send(sup->loop, &sup->worker_emptied);
}

/* The rest of the fleet is likely on its way out: look when it has left. */
static void on_worker_emptied(struct ev_loop *loop, struct ev_async *async, int events)
{
    (void)events;
    struct supervisor *sup = async->data;
    ev_timer_stop(loop, &sup->trim);
    ev_timer_set(&sup->trim, TRIM_DELAY_S, 0);
    ev_timer_start(loop, &sup->trim);
}

/*
 * malloc keeps what sessions gave back, spread over the workers' arenas: 7.6 MiB after 9,000
 * of them. It is asked for here, on the main thread, after a fleet has left, and not by a
 * worker: looking through a large heap takes milliseconds.
 */
static void on_trim(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    malloc_trim(0);
}

/* ---- nodes ---- */

static void wake_all(void *arg)
{
    struct supervisor *sup = arg;
    for (unsigned i = 0; i < sup->service.crew.n; i++)
        worker_wake(sup->service.crew.workers[i]);
}

static void on_node_changed(void *arg, struct node_live *live)
{
    (void)live;
    struct supervisor *sup = arg;
    evictor_look(sup->service.evictor);
    wake_all(sup); /* sessions that wait for it go elsewhere */
}

static void take_members(struct supervisor *sup)
{
    if (sup->ordered == WORKER_RUN)
        sup->members_pending = !reload_members(&sup->service);
}

static void on_members_changed(void *arg)
{
    struct supervisor *sup = arg;
    sup->members_pending = true;
    if (sup->started)
        take_members(sup);
}

static const struct members *members_of(const void *arg, const char *cluster)
{
    return discovery_members(arg, cluster);
}

static void on_look_around(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct supervisor *sup = timer->data;
    if (sup->members_pending)
        take_members(sup);
    ports_watch_look(sup->ports, sup->service.snapshot, sup->log);
    evictor_look(sup->service.evictor); /* sessions may be away from a home that was never down */
}

/* ---- starting ---- */

static void start_timer(struct supervisor *sup, struct ev_timer *timer,
                        void (*callback)(struct ev_loop *, struct ev_timer *, int), double after_s,
                        double every_s)
{
    ev_timer_init(timer, callback, after_s, every_s);
    timer->data = sup;
    if (after_s > 0)
        ev_timer_start(sup->loop, timer);
}

static unsigned count_workers(const struct config *config)
{
    if (config->workers > 0)
        return config->workers;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > WORKERS_MAX ? WORKERS_MAX : cores > 0 ? (unsigned)cores : 1;
}

static bool say_no_memory(const struct supervisor *sup)
{
    (void)fprintf(sup->out, "error: out of memory\n");
    return false;
}

static bool make_workers(struct supervisor *sup, const struct config *config, unsigned workers)
{
    struct crew *crew = &sup->service.crew;
    crew->workers = calloc(workers, sizeof(struct worker *));
    while (crew->workers && crew->n < workers) {
        struct worker *w = worker_new(&sup->shared, crew->n, config->limits.relay_buffer_bytes);
        if (!w)
            break;
        crew->workers[crew->n++] = w;
    }
    return crew->n == workers || say_no_memory(sup);
}

static void on_waited(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events; /* it ends a turn of the loop: that is all it is for */
}

/*
 * A fleet that comes back to a router which knows no node yet would be refused, and back off.
 * Its connections wait in the listening sockets' queues meanwhile, once these are open.
 */
static void wait_for_members(struct supervisor *sup)
{
    start_timer(sup, &sup->waited, on_waited, DISCOVERY_WAIT_S, 0);
    while (!discovery_is_settled(sup->service.discovery) && ev_is_active(&sup->waited) &&
           sup->ordered == WORKER_RUN)
        ev_run(sup->loop, EVRUN_ONCE);
    ev_timer_stop(sup->loop, &sup->waited);
}

/* The nodes that are known by now, and those who watch over them. */
static bool make_snapshot(struct supervisor *sup, struct config *config)
{
    struct service *service = &sup->service;
    if (!discovery_take(service->discovery, config)) {
        config_free(config);
        return say_no_memory(sup);
    }
    wait_for_members(sup);
    sup->members_pending = false;
    service->snapshot = snapshot_new(config, &sup->registry, &service->members, NULL);
    return (service->snapshot && evictor_take(service->evictor, service->snapshot) &&
            prober_take(service->prober, service->snapshot, true)) ||
           say_no_memory(sup);
}

/* Doors and certificates: what can fail is said here, before a thread starts. */
static bool publish_first(struct supervisor *sup)
{
    struct service *service = &sup->service;
    const struct listening_place place = {
        .workers = service->crew.n, .log = sup->log, .out = sup->out};
    char error[WORKER_TLS_ERROR_MAX];
    struct publication publication;
    sup->doors = calloc(service->crew.n * service->snapshot->n_doors, sizeof(*sup->doors));
    if (!sup->doors)
        return say_no_memory(sup);
    sup->doors_are_open = listening_open(service->snapshot, NULL, sup->doors, &place);
    if (!sup->doors_are_open)
        return false;
    if (!publication_prepare(&publication, &service->crew, service->snapshot, sup->doors,
                             tls_keeper_keys(service->tls), error)) {
        (void)fprintf(sup->out, "error: %s\n", error);
        return false;
    }
    publication_commit(&publication);
    return true;
}

static void init_loop(struct supervisor *sup)
{
    struct {
        struct ev_signal *watcher;
        void (*callback)(struct ev_loop *loop, struct ev_signal *signal, int events);
        int number;
    } signals[] = {{&sup->on_int, on_int, SIGINT},
                   {&sup->on_term, on_term, SIGTERM},
                   {&sup->on_hup, on_hup, SIGHUP},
                   {&sup->on_usr2, on_usr2, SIGUSR2}};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        ev_signal_init(signals[i].watcher, signals[i].callback, signals[i].number);
        signals[i].watcher->data = sup;
        ev_signal_start(sup->loop, signals[i].watcher);
    }
    ev_init(&sup->shutdown_over, on_shutdown_over);
    sup->shutdown_over.data = sup;
    ev_init(&sup->trim, on_trim);
    ev_async_init(&sup->worker_emptied, on_worker_emptied);
    sup->worker_emptied.data = sup;
    ev_async_start(sup->loop, &sup->worker_emptied);
    ev_async_init(&sup->worker_ended, on_worker_ended);
    sup->worker_ended.data = sup;
    ev_async_start(sup->loop, &sup->worker_ended);
    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write(2) */
}

/* Threads inherit the mask: signals are for the main thread alone. */
static bool start_workers(struct supervisor *sup)
{
    struct service *service = &sup->service;
    sigset_t all, before;
    service->carried = host_limits_connections();
    atomic_store_explicit(&sup->shared.max_connections, service_max_connections(service),
                          memory_order_relaxed);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    sup->started = true;
    for (unsigned i = 0; sup->started && i < service->crew.n; i++) {
        sup->started = worker_start(service->crew.workers[i]);
        if (!sup->started)
            (void)fprintf(sup->out, "error: cannot start a thread: %s\n", strerror(errno));
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return sup->started;
}

static void announce_doors(struct supervisor *sup)
{
    const struct listening_place place = {
        .workers = sup->service.crew.n, .log = sup->log, .out = sup->out};
    listening_announce(sup->service.snapshot, sup->doors, &place);
    free(sup->doors);
    sup->doors = NULL;
}

/* What was asked for while there was nobody to do it. */
static void catch_up(struct supervisor *sup)
{
    if (sup->members_pending)
        take_members(sup);
    if (sup->reload_pending && sup->ordered == WORKER_RUN)
        reload(&sup->service);
    sup->reload_pending = false;
}

static void serve(struct supervisor *sup)
{
    struct service *service = &sup->service;
    announce_doors(sup);
    host_limits_warn(sup->log, service->snapshot->config, service->carried);
    struct log_line line;
    log_begin(&line, sup->log, LOG_NOTICE, "router.ready");
    log_text(&line, "version", MQTT_ROUTER_VERSION);
    log_u64(&line, "workers", service->crew.n);
    log_u64(&line, "max_connections",
            atomic_load_explicit(&sup->shared.max_connections, memory_order_relaxed));
    log_emit(&line);
    service_start_tls(service);
    start_timer(sup, &sup->look_around, on_look_around, LOOK_EVERY_S, LOOK_EVERY_S);
    catch_up(sup);
    ev_run(sup->loop, 0);
    ev_timer_stop(sup->loop, &sup->look_around);
    log_gauges(sup);
    log_event(sup->log, LOG_NOTICE, "router.stopped", NULL, NULL);
}

static void fini(struct supervisor *sup)
{
    struct service *service = &sup->service;
    prober_free(service->prober);
    evictor_free(service->evictor);
    discovery_free(service->discovery);
    for (unsigned i = 0; i < service->crew.n; i++)
        worker_free(service->crew.workers[i]);
    free(service->crew.workers);
    free(sup->doors);
    if (sup->doors_are_open)
        listening_ended(service->snapshot, NULL, sup->log);
    tls_keeper_free(service->tls);
    snapshot_unref(service->snapshot);
    ports_watch_free(sup->ports);
    node_registry_fini(&sup->registry);
    log_free(sup->log);
    if (sup->loop)
        ev_loop_destroy(sup->loop);
}

static bool init_service(struct supervisor *sup, const char *config_path)
{
    struct service *service = &sup->service;
    *service = (struct service){.config_path = config_path,
                                .loop = sup->loop,
                                .log = sup->log,
                                .registry = &sup->registry,
                                .shared = &sup->shared};
    sup->ports = ports_watch_new();
    service->discovery = discovery_new(sup->loop, sup->log, on_members_changed, sup);
    service->members = (struct members_source){members_of, service->discovery};
    service->evictor = evictor_new(sup->loop, sup->log, wake_all, sup);
    const struct prober_news news = {.changed = on_node_changed, .arg = sup};
    service->prober = prober_new(sup->loop, &sup->registry, sup->log, sup->shared.boot_id, &news);
    return (sup->ports && service->discovery && service->evictor && service->prober) ||
           say_no_memory(sup);
}

static bool init(struct supervisor *sup, const struct config *config, const char *config_path)
{
    node_registry_init(&sup->registry, count_workers(config));
    sup->loop = ev_default_loop(EVBACKEND_EPOLL | EVFLAG_NOENV);
    sup->log = log_new(STDOUT_FILENO, config->log.level, config->log.format);
    if (!sup->loop || !sup->log)
        return say_no_memory(sup);
    init_loop(sup);
    sup->shared = (struct worker_shared){.log = sup->log,
                                         .registry = &sup->registry,
                                         .ended = note_ended,
                                         .emptied = note_emptied,
                                         .arg = sup};
    if (getrandom(&sup->shared.boot_id, sizeof(sup->shared.boot_id), 0) < 0) {
        (void)fprintf(sup->out, "error: no random numbers to be had: %s\n", strerror(errno));
        return false;
    }
    return init_service(sup, config_path);
}

/* config: taken */
static bool start(struct supervisor *sup, struct config *config, const char *config_path)
{
    const unsigned workers = count_workers(config);
    if (!init(sup, config, config_path) || !host_check(config, config_path, sup->out) ||
        !make_workers(sup, config, workers)) {
        config_free(config);
        return false;
    }
    if (!make_snapshot(sup, config))
        return false;
    sup->service.tls = tls_keeper_new(sup->service.snapshot, NULL, sup->log, sup->out);
    return sup->service.tls && publish_first(sup) && start_workers(sup);
}

int supervisor_run(struct config *config, const char *config_path, FILE *out)
{
    struct supervisor sup = {.out = out};
    host_limits_raise();
    bool served = start(&sup, config, config_path);
    if (served)
        serve(&sup);
    else if (sup.service.crew.n)
        order_all(&sup, WORKER_STOP);
    for (unsigned i = 0; i < sup.service.crew.n; i++)
        worker_join(sup.service.crew.workers[i]);
    fini(&sup);
    return served ? 0 : 1;
}
