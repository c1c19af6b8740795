/*
 * supervisor.c - the main thread: create all parts, serve, free them.
 *
 *    init() -> supervisor_start() -> serve() until a signal ends it
 *        any failure: report it, undo, exit code 1  |
 *    join, free  <- all workers ended <- STOP after shutdown_ms <- DRAIN (SIGTERM)
 *                                     <- STOP (SIGINT)
 */
#include "control/supervisor.h"

#include <errno.h>
#include <ev.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/admin/api/session_queries.h"
#include "control/admin/dashboard/history.h"
#include "control/discovery/discovery.h"
#include "control/health/connect_watch.h"
#include "control/health/evictor.h"
#include "control/health/key_shares.h"
#include "control/health/prober.h"
#include "control/host/host.h"
#include "control/host/privileges.h"
#include "control/reload/listening.h"
#include "control/reload/prepare.h"
#include "control/service/overrides.h"
#include "control/tls/keeper.h"
#include "net/tls/context.h"
#include "proxy/admission/admission.h"
#include "proxy/loop_memory.h"
#include "supervisor_internal.h"

/* ---- serving ---- */

static void announce_listeners(struct supervisor *sup)
{
    const struct listening_place place = {
        .workers = sup->service.workers.n, .log = sup->log, .out = sup->out};
    listening_announce(sup->service.snapshot, sup->sockets, &place);
    free(sup->sockets);
    sup->sockets = NULL;
}

/* Handle requests that arrived before the workers were running. */
static void catch_up(struct supervisor *sup)
{
    supervisor_take_members(sup);
    if (sup->reload_pending && sup->mode == WORKER_RUN)
        (void)!reload(&sup->service, NULL); /* a failure is logged */
    sup->reload_pending = false;
}

static void serve(struct supervisor *sup)
{
    struct service *service = &sup->service;
    announce_listeners(sup);
    host_limits_warn(sup->log, service->snapshot->config, service->fd_connections);
    struct log_line line;
    log_begin(&line, sup->log, LOG_NOTICE, "router.ready");
    log_text(&line, "version", MQTT_ROUTER_VERSION);
    log_u64(&line, "workers", service->workers.n);
    log_u64(&line, "max_connections",
            atomic_load_explicit(&sup->shared.max_connections, memory_order_relaxed));
    log_emit(&line);
    reload_start_tls(service);
    ev_timer_start(sup->loop, &sup->housekeeping);
    catch_up(sup);
    ev_run(sup->loop, 0);
    ev_timer_stop(sup->loop, &sup->housekeeping);
    log_tell_suppressed(sup->log);
    supervisor_log_gauges(sup);
    log_event(sup->log, LOG_NOTICE, "router.stopped", NULL, NULL);
}

/* ---- starting and ending ---- */

static void fini(struct supervisor *sup)
{
    struct service *service = &sup->service;
    admin_free(sup->admin);
    history_free(sup->context.history);
    key_shares_free(sup->context.shares);
    overrides_free(sup->context.overrides);
    prober_free(service->prober);
    evictor_free(service->evictor);
    discovery_free(service->discovery);
    for (unsigned i = 0; i < service->workers.n; i++)
        worker_free(service->workers.list[i]);
    free(service->workers.list);
    session_queries_free(sup->context.queries); /* after the workers, which answer its queries */
    free(sup->sockets);
    if (sup->listening && !sup->dry_run)
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
    if (sup->mode >= WORKER_DRAIN)
        return ADMIN_DRAINING;
    return sup->started ? ADMIN_SERVING : ADMIN_STARTING;
}

static const struct members *members_of(const void *arg, const char *cluster)
{
    return discovery_members(arg, cluster);
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
    service->discovery = discovery_new(sup->loop, sup->log, supervisor_on_members_changed, sup);
    service->overrides = sup->context.overrides;
    service->connects = connect_watch_new();
    service->members = (struct members_source){.of = members_of,
                                               .arg = service->discovery,
                                               .weigh = overrides_weigh,
                                               .weights = service->overrides};
    service->loaded_unix_ms = clock_unix_ms();
    service->evictor =
        evictor_new(sup->loop, sup->log, &sup->registry, supervisor_wake_workers, sup);
    const struct prober_callbacks callbacks = {.changed = supervisor_on_node_changed, .arg = sup};
    service->prober =
        prober_new(sup->loop, &sup->registry, sup->log, sup->shared.boot_id, &callbacks);
    return (sup->ports && sup->context.history && sup->context.overrides && sup->context.shares &&
            sup->context.queries && service->connects && service->discovery && service->evictor &&
            service->prober) ||
           supervisor_no_memory(sup);
}

/* Create the log. A dry run writes it to memory, to print its warnings later. */
static struct log *make_log(struct supervisor *sup, const struct log_conf *conf)
{
    if (!sup->dry_run)
        return log_new(STDOUT_FILENO, conf->level, conf->format);
    sup->dry_run_fd = memfd_create("log", MFD_CLOEXEC);
    return sup->dry_run_fd < 0 ? NULL : log_new(sup->dry_run_fd, LOG_WARN, LOG_TEXT);
}

static bool direct_log(struct supervisor *sup, const struct log_conf *conf)
{
    if (conf->target == LOG_TARGET_STDOUT || sup->dry_run)
        return true;
    struct log_output *output = prepare_log(conf, sup->out);
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
    log_limit(sup->log, sup->dry_run ? 0 : config->log.max_lines_per_s);
    supervisor_watch(sup);
    sup->shared = (struct worker_shared){.log = sup->log, .registry = &sup->registry};
    supervisor_set_callbacks(sup);
    uint64_t seed;
    if (getrandom(&sup->shared.boot_id, sizeof(sup->shared.boot_id), 0) < 0 ||
        getrandom(&seed, sizeof(seed), 0) < 0) {
        (void)fprintf(sup->out, "error: cannot get random numbers: %s\n", strerror(errno));
        return false;
    }
    sup->shared.admission = admission_new(&config->limits, seed);
    if (!sup->shared.admission)
        return supervisor_no_memory(sup);
    return init_service(sup, config_path);
}

/* Skip the time and level in "2026-01-02T03:04:05.678Z WARN host.limit have=1024". */
static const char *skip_prefix(const char *line)
{
    for (int words = 0; words < 2; words++) {
        line += strcspn(line, " ");
        line += strspn(line, " ");
    }
    return line;
}

/* Print the warnings that startup would log. */
static void print_warnings(const struct supervisor *sup)
{
    char *line = NULL;
    size_t room = 0;
    FILE *lines = lseek(sup->dry_run_fd, 0, SEEK_SET) == 0 ? fdopen(sup->dry_run_fd, "re") : NULL;
    if (!lines) {
        close(sup->dry_run_fd);
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
    struct config *config = prepare_config(config_path, CONFIG_FILE_START, &to, sup->out);
    bool started = false;
    if (!config)
        return false;
    if (init(sup, config, config_path))
        started = supervisor_start(sup, config, &to);
    else
        config_free(config);
    if (started && !sup->dry_run)
        serve(sup);
    else if (sup->service.workers.n)
        supervisor_set_mode(sup, WORKER_STOP);
    for (unsigned i = 0; i < sup->service.workers.n; i++)
        worker_join(sup->service.workers.list[i]);
    fini(sup);
    return started;
}

int supervisor_run(const char *config_path, FILE *out)
{
    struct supervisor sup = {.out = out, .dry_run_fd = -1};
    return run(&sup, config_path) ? 0 : 1;
}

int supervisor_check(const char *config_path, FILE *out)
{
    struct supervisor sup = {.out = out, .dry_run = true, .dry_run_fd = -1};
    const bool good = run(&sup, config_path);
    if (sup.dry_run_fd >= 0)
        print_warnings(&sup);
    return good ? 0 : 1;
}
