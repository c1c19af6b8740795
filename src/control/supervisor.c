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

#include "control/host_limits.h"
#include "gauges.h"
#include "listening.h"
#include "proxy/worker.h"
#include "tls_keeper.h"

#define TRIM_DELAY_S 1.0
#define WORKERS_MAX  256 /* as the configuration has it; session ids have 8 bits for the worker */

struct supervisor {
    struct worker_shared shared;
    struct snapshot *snapshot; /* owned */
    struct log *log;           /* owned */
    struct tls_keeper *tls;    /* owned */
    struct worker **workers;   /* owned */
    unsigned n_workers;        /* made so far */
    struct ev_loop *loop;
    struct ev_signal on_int, on_term, on_hup, on_usr2;
    struct ev_timer shutdown_over;
    struct ev_async worker_ended, worker_emptied;
    struct ev_timer trim;
    _Atomic unsigned n_ended; /* release by the ending worker, acquire here */
    enum worker_order ordered;
    uint32_t carried; /* connections that the open files allow */
    FILE *out;        /* borrowed */
};

/* ---- ending ---- */

static void order_all(struct supervisor *sup, enum worker_order order)
{
    if (order <= sup->ordered)
        return;
    sup->ordered = order;
    for (unsigned i = 0; i < sup->n_workers; i++)
        worker_order(sup->workers[i], order);
}

static void on_term(struct ev_loop *loop, struct ev_signal *signal, int events)
{
    (void)events;
    struct supervisor *sup = signal->data;
    if (sup->ordered >= WORKER_DRAIN)
        return; /* it is under way, and its time is running */
    log_event(sup->log, LOG_NOTICE, "router.stopping", "how", "paced");
    order_all(sup, WORKER_DRAIN);
    ev_timer_set(&sup->shutdown_over, sup->snapshot->config->timeouts.shutdown_ms / 1000.0, 0);
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
    tls_keeper_reload(sup->tls);
    log_event(sup->log, LOG_WARN, "reload.unavailable", "cure",
              "certificates were read anew; a new configuration is taken up on restart");
}

static void on_usr2(struct ev_loop *loop, struct ev_signal *signal, int events)
{
    (void)loop;
    (void)events;
    struct supervisor *sup = signal->data;
    gauges_log(sup->log, &sup->shared, sup->workers, sup->n_workers);
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
    if (atomic_load_explicit(&sup->n_ended, memory_order_acquire) >= sup->n_workers)
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

/* ---- starting ---- */

/* fds: for each worker, one listening socket for each listener; taken */
static bool make_workers(struct supervisor *sup, int *fds, unsigned workers)
{
    size_t doors = sup->snapshot->n_doors;
    for (unsigned i = 0; i < workers; i++) {
        char error[WORKER_TLS_ERROR_MAX];
        struct worker *w =
            worker_new(&sup->shared, i, fds + i * doors, tls_keeper_keys(sup->tls), error);
        if (!w) {
            (void)fprintf(sup->out, "error: %s\n", error);
            listening_close(fds + (i + 1) * doors, (workers - i - 1) * doors);
            return false;
        }
        sup->workers[sup->n_workers++] = w;
    }
    return true;
}

static bool prepare_workers(struct supervisor *sup, unsigned workers)
{
    size_t n = workers * sup->snapshot->n_doors;
    int *fds = malloc(n * sizeof(*fds));
    sup->workers = calloc(workers, sizeof(struct worker *));
    bool ready = fds && sup->workers;
    if (!ready) {
        (void)fprintf(sup->out, "error: out of memory\n");
    } else {
        ready = listening_open(sup->snapshot, workers, fds, sup->log, sup->out) &&
                make_workers(sup, fds, workers);
    }
    free(fds);
    return ready;
}

static unsigned count_workers(const struct config *config)
{
    if (config->workers > 0)
        return config->workers;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > WORKERS_MAX ? WORKERS_MAX : cores > 0 ? (unsigned)cores : 1;
}

static bool init_shared(struct supervisor *sup)
{
    sup->shared = (struct worker_shared){.log = sup->log,
                                         .snapshot = sup->snapshot,
                                         .ended = note_ended,
                                         .emptied = note_emptied,
                                         .arg = sup};
    if (getrandom(&sup->shared.boot_id, sizeof(sup->shared.boot_id), 0) < 0) {
        (void)fprintf(sup->out, "error: no random numbers to be had: %s\n", strerror(errno));
        return false;
    }
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
    sigset_t all, before;
    uint32_t wanted = sup->snapshot->config->limits.max_connections;
    sup->carried = host_limits_connections();
    sup->shared.max_connections = wanted && wanted < sup->carried ? wanted : sup->carried;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = true;
    for (unsigned i = 0; started && i < sup->n_workers; i++) {
        started = worker_start(sup->workers[i]);
        if (!started)
            (void)fprintf(sup->out, "error: cannot start a thread: %s\n", strerror(errno));
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static void serve(struct supervisor *sup)
{
    const struct config *config = sup->snapshot->config;
    host_limits_warn(sup->log, config, sup->carried);
    struct log_line line;
    log_begin(&line, sup->log, LOG_NOTICE, "router.ready");
    log_text(&line, "version", MQTT_ROUTER_VERSION);
    log_u64(&line, "workers", sup->n_workers);
    log_u64(&line, "max_connections", sup->shared.max_connections);
    log_emit(&line);
    tls_keeper_start(sup->tls, sup->loop, sup->workers, sup->n_workers);
    ev_run(sup->loop, 0);
    gauges_log(sup->log, &sup->shared, sup->workers, sup->n_workers);
    log_event(sup->log, LOG_NOTICE, "router.stopped", NULL, NULL);
}

static void fini(struct supervisor *sup)
{
    bool served = sup->n_workers;
    for (unsigned i = 0; i < sup->n_workers; i++)
        worker_free(sup->workers[i]);
    free(sup->workers);
    if (served)
        listening_remove_files(sup->snapshot);
    tls_keeper_free(sup->tls);
    snapshot_free(sup->snapshot);
    log_free(sup->log);
    if (sup->loop)
        ev_loop_destroy(sup->loop);
}

static bool init(struct supervisor *sup, struct config *config)
{
    struct log_conf log = config->log;
    sup->loop = ev_default_loop(EVBACKEND_EPOLL | EVFLAG_NOENV);
    sup->log = log_new(STDOUT_FILENO, log.level, log.format);
    sup->snapshot = snapshot_new(config);
    if (!sup->loop || !sup->log || !sup->snapshot) {
        (void)fprintf(sup->out, "error: out of memory\n");
        return false;
    }
    init_loop(sup);
    sup->tls = tls_keeper_new(sup->snapshot, sup->log, sup->out);
    return sup->tls && init_shared(sup);
}

int supervisor_run(struct config *config, FILE *out)
{
    struct supervisor sup = {.out = out};
    host_limits_raise();
    bool served = init(&sup, config) &&
                  prepare_workers(&sup, count_workers(sup.snapshot->config)) && start_workers(&sup);
    if (served)
        serve(&sup);
    else if (sup.n_workers)
        order_all(&sup, WORKER_STOP);
    for (unsigned i = 0; i < sup.n_workers; i++)
        worker_join(sup.workers[i]);
    fini(&sup);
    return served ? 0 : 1;
}
