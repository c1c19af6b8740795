/*
 * supervisor.c - the main thread: make what it needs, heed signals, end in order.
 *
 *    init -> supervisor_start() -> loop on signals
 *        any failure: say it, undo, exit code 1  |
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
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/admin/api/session_queries.h"
#include "control/admin/dashboard/history.h"
#include "control/health/connect_watch.h"
#include "control/health/key_shares.h"
#include "control/host/host.h"
#include "control/host/privileges.h"
#include "control/reload/listening.h"
#include "control/reload/prepare.h"
#include "control/service/gauges.h"
#include "control/service/overrides.h"
#include "net/tls/context.h"
#include "proxy/admission/admission.h"
#include "proxy/loop_memory.h"
#include "supervisor_internal.h"

#define TRIM_DELAY_S 1.0
#define LOOK_EVERY_S 1.0

static void log_gauges(const struct supervisor *sup)
{
    gauges_log(sup->log, &sup->shared, sup->service.snapshot, &sup->service.workers,
               ports_watch_warnings(sup->ports));
}

/* ---- ending ---- */

static void order_all(struct supervisor *sup, enum worker_mode order)
{
    if (order <= sup->ordered)
        return;
    sup->ordered = order;
    for (unsigned i = 0; i < sup->service.workers.n; i++)
        worker_set_mode(sup->service.workers.list[i], order);
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
        (void)!reload(&sup->service, NULL); /* the log has it */
}

/* A file of lines was renamed. */
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
    if (atomic_load_explicit(&sup->n_ended, memory_order_acquire) >= sup->service.workers.n)
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
    for (unsigned i = 0; i < sup->service.workers.n; i++)
        worker_wake(sup->service.workers.list[i]);
}

static void on_node_changed(void *arg, struct node_live *live)
{
    (void)live;
    struct supervisor *sup = arg;
    evictor_check(sup->service.evictor);
    wake_all(sup); /* sessions that wait for it go elsewhere */
}

/* Called on a worker's thread. */
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
    log_tell_suppressed(sup->log);
    ports_watch_check(sup->ports, sup->service.snapshot, sup->log);
    connect_watch_check(sup->service.connects, sup->service.snapshot, sup->service.prober,
                        sup->log);
    evictor_check(sup->service.evictor); /* sessions may be away from a home that was never down */
    history_update(sup->context.history, &sup->service);
}

/* ---- starting ---- */

static void init_loop(struct supervisor *sup)
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
    ev_init(&sup->shutdown_over, on_shutdown_over);
    sup->shutdown_over.data = sup;
    ev_init(&sup->trim, on_trim);
    ev_timer_init(&sup->look_around, on_look_around, LOOK_EVERY_S, LOOK_EVERY_S);
    sup->look_around.data = sup;
    ev_async_init(&sup->worker_emptied, on_worker_emptied);
    sup->worker_emptied.data = sup;
    ev_async_start(sup->loop, &sup->worker_emptied);
    ev_async_init(&sup->node_failing, on_node_failing);
    sup->node_failing.data = sup;
    ev_async_start(sup->loop, &sup->node_failing);
    ev_async_init(&sup->worker_ended, on_worker_ended);
    sup->worker_ended.data = sup;
    ev_async_start(sup->loop, &sup->worker_ended);
    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write(2) */
}

static void announce_bindings(struct supervisor *sup)
{
    const struct listening_place place = {
        .workers = sup->service.workers.n, .log = sup->log, .out = sup->out};
    listening_announce(sup->service.snapshot, sup->sockets, &place);
    free(sup->sockets);
    sup->sockets = NULL;
}

/* What was asked for while there was nobody to do it. */
static void catch_up(struct supervisor *sup)
{
    if (sup->members_pending)
        take_members(sup);
    if (sup->reload_pending && sup->ordered == WORKER_RUN)
        (void)!reload(&sup->service, NULL); /* the log has it */
    sup->reload_pending = false;
}

static void serve(struct supervisor *sup)
{
    struct service *service = &sup->service;
    announce_bindings(sup);
    host_limits_warn(sup->log, service->snapshot->config, service->carried);
    struct log_line line;
    log_begin(&line, sup->log, LOG_NOTICE, "router.ready");
    log_text(&line, "version", MQTT_ROUTER_VERSION);
    log_u64(&line, "workers", service->workers.n);
    log_u64(&line, "max_connections",
            atomic_load_explicit(&sup->shared.max_connections, memory_order_relaxed));
    log_emit(&line);
    service_start_tls(service);
    ev_timer_start(sup->loop, &sup->look_around);
    catch_up(sup);
    ev_run(sup->loop, 0);
    ev_timer_stop(sup->loop, &sup->look_around);
    log_tell_suppressed(sup->log);
    log_gauges(sup);
    log_event(sup->log, LOG_NOTICE, "router.stopped", NULL, NULL);
}

static void fini(struct supervisor *sup)
{
    struct service *service = &sup->service;
    admin_free(service->admin);
    history_free(sup->context.history);
    key_shares_free(sup->context.shares);
    overrides_free(sup->context.overrides);
    prober_free(service->prober);
    evictor_free(service->evictor);
    discovery_free(service->discovery);
    for (unsigned i = 0; i < service->workers.n; i++)
        worker_free(service->workers.list[i]);
    free(service->workers.list);
    session_queries_free(sup->context.queries); /* the workers' last answers went there */
    free(sup->sockets);
    if (sup->listening && !sup->trial)
        listening_ended(service->snapshot, NULL, sup->log);
    tls_keeper_free(service->tls);
    snapshot_unref(service->snapshot);
    ports_watch_free(sup->ports);
    connect_watch_free(service->connects);
    node_registry_fini(&sup->registry);
    admission_free(sup->shared.admission);
    log_free(sup->log);
    if (sup->loop)
        ev_loop_destroy(sup->loop);
    loop_memory_fini();
}

static enum admin_phase phase(const void *arg)
{
    const struct supervisor *sup = arg;
    if (sup->ordered >= WORKER_DRAIN)
        return ADMIN_DRAINING;
    return sup->started ? ADMIN_SERVING : ADMIN_STARTING;
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
    sup->context = (struct admin_context){.service = service,
                                          .ports = sup->ports,
                                          .history = history_new(),
                                          .overrides = overrides_new(),
                                          .shares = key_shares_new(),
                                          .queries = session_queries_new(sup->loop),
                                          .phase = phase,
                                          .arg = sup,
                                          .started_us = clock_monotonic_us(),
                                          .started_unix_ms = clock_unix_ms()};
    service->discovery = discovery_new(sup->loop, sup->log, on_members_changed, sup);
    service->overrides = sup->context.overrides;
    service->connects = connect_watch_new();
    service->members = (struct members_source){.of = members_of,
                                               .arg = service->discovery,
                                               .weigh = overrides_weigh,
                                               .weights = service->overrides};
    service->loaded_unix_ms = clock_unix_ms();
    service->evictor = evictor_new(sup->loop, sup->log, &sup->registry, wake_all, sup);
    const struct prober_callbacks news = {.changed = on_node_changed, .arg = sup};
    service->prober = prober_new(sup->loop, &sup->registry, sup->log, sup->shared.boot_id, &news);
    return (sup->ports && sup->context.history && sup->context.overrides && sup->context.shares &&
            sup->context.queries && service->connects && service->discovery && service->evictor &&
            service->prober) ||
           supervisor_no_memory(sup);
}

/* The log of a check is kept, for its warnings. */
static struct log *make_log(struct supervisor *sup, const struct log_conf *conf)
{
    if (!sup->trial)
        return log_new(STDOUT_FILENO, conf->level, conf->format);
    sup->trial_fd = memfd_create("log", MFD_CLOEXEC);
    return sup->trial_fd < 0 ? NULL : log_new(sup->trial_fd, LOG_WARN, LOG_TEXT);
}

static bool direct_log(struct supervisor *sup, const struct log_conf *conf)
{
    if (conf->target == LOG_TARGET_STDOUT || sup->trial)
        return true;
    struct log_output *output = reload_open_log(conf, sup->out);
    if (!output)
        return false;
    log_direct(sup->log, output);
    return true;
}

static bool init(struct supervisor *sup, const struct config *config, const char *config_path)
{
    const unsigned workers = supervisor_workers(config);
    node_registry_init(&sup->registry, workers);
    if (!loop_memory_init((size_t)host_limits_connections(0) * 2, workers + 1))
        return supervisor_no_memory(sup);
    sup->loop = ev_default_loop(EVBACKEND_EPOLL | EVFLAG_NOENV);
    sup->log = make_log(sup, &config->log);
    if (!sup->loop || !sup->log)
        return supervisor_no_memory(sup);
    if (!direct_log(sup, &config->log))
        return false;
    log_limit(sup->log, sup->trial ? 0 : config->log.max_lines_per_s);
    init_loop(sup);
    sup->shared = (struct worker_shared){.log = sup->log,
                                         .registry = &sup->registry,
                                         .ended = note_ended,
                                         .emptied = note_emptied,
                                         .failing = note_failing,
                                         .arg = sup};
    uint64_t seed;
    if (getrandom(&sup->shared.boot_id, sizeof(sup->shared.boot_id), 0) < 0 ||
        getrandom(&seed, sizeof(seed), 0) < 0) {
        (void)fprintf(sup->out, "error: no random numbers to be had: %s\n", strerror(errno));
        return false;
    }
    sup->shared.admission = admission_new(&config->limits, seed);
    if (!sup->shared.admission)
        return supervisor_no_memory(sup);
    return init_service(sup, config_path);
}

/* "2026-01-02T03:04:05.678Z   WARN host.limit have=1024": without the time and the level. */
static const char *skip_prefix(const char *line)
{
    for (int words = 0; words < 2; words++) {
        line += strcspn(line, " ");
        line += strspn(line, " ");
    }
    return line;
}

/* What a start would have logged. */
static void print_warnings(const struct supervisor *sup)
{
    char *line = NULL;
    size_t room = 0;
    FILE *lines = lseek(sup->trial_fd, 0, SEEK_SET) == 0 ? fdopen(sup->trial_fd, "re") : NULL;
    if (!lines) {
        close(sup->trial_fd);
        return;
    }
    while (getline(&line, &room, lines) > 0)
        (void)fprintf(sup->out, "warning: %s", skip_prefix(line));
    free(line);
    (void)fclose(lines);
}

static bool run(struct supervisor *sup, const char *config_path)
{
    struct privileges to;
    privileges_hide_memory();
    tls_library_wipe_memory();
    host_limits_raise();
    struct config *config = preparation_load(config_path, CONFIG_FILE_START, &to, sup->out);
    bool started = false;
    if (!config)
        return false;
    if (init(sup, config, config_path))
        started = supervisor_start(sup, config, &to);
    else
        config_free(config);
    if (started && !sup->trial)
        serve(sup);
    else if (sup->service.workers.n)
        order_all(sup, WORKER_STOP);
    for (unsigned i = 0; i < sup->service.workers.n; i++)
        worker_join(sup->service.workers.list[i]);
    fini(sup);
    return started;
}

int supervisor_run(const char *config_path, FILE *out)
{
    struct supervisor sup = {.out = out, .trial_fd = -1};
    return run(&sup, config_path) ? 0 : 1;
}

int supervisor_check(const char *config_path, FILE *out)
{
    struct supervisor sup = {.out = out, .trial = true, .trial_fd = -1};
    const bool good = run(&sup, config_path);
    if (sup.trial_fd >= 0)
        print_warnings(&sup);
    return good ? 0 : 1;
}
