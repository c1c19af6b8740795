/*
 * worker.c - a worker thread: create it, run it, drain it, free it.
 *
 *    main thread                        worker
 *    update           --ev_async-->     worker_apply_update(): new listeners, nodes, TLS contexts
 *                                       worker_recount(): update which sessions are off home
 *    node records     --ev_async-->     worker_check_nodes(): close and move sessions
 *    queries          --ev_async-->     worker_search_sessions()
 *    mode = DRAIN     --ev_async-->     close listeners, close sessions gradually
 *    mode = STOP      --ev_async-->     close all sessions, stop the loop
 *    ended()          <------------     last call of the thread
 */
#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/session/session.h"
#include "proxy/session/session_list.h"
#include "proxy/session/turn.h"
#include "proxy/stages/run.h"

#define PACE_TICK_S          0.05
#define RELAY_BLOCKS_KEPT    64
#define SESSION_ID_SEQ_BITS  32
#define SESSION_ID_WORK_BITS 8

/* ---- sessions that yielded ---- */

/*
 * Runs first after the loop has polled. Does not use ev_now(), which is wall-clock time: setting
 * the clock would make sessions time out too early or too late.
 */
static void on_woken(struct ev_loop *loop, struct ev_check *check, int events)
{
    (void)loop;
    (void)events;
    CONTAINER_OF(check, struct worker, woken)->core.now_us = clock_monotonic_us();
}

/*
 * Runs once per turn, before the loop polls. A session that yields again runs in the next turn;
 * feeding it an event instead would run it again in this turn, before all others.
 */
static void on_prepare(struct ev_loop *loop, struct ev_prepare *prepare, int events)
{
    (void)events;
    struct worker *w = CONTAINER_OF(prepare, struct worker, run_yielded);
    struct list turn;
    /* this is how long sessions had to wait for the loop */
    histogram_add(&w->core.counters.turn_us, clock_monotonic_us() - w->core.now_us);
    list_init(&turn);
    list_move_all(&w->core.runnable, &turn);
    while (!list_empty(&turn))
        session_run(turn_pop_runnable(&turn));
    worker_run_handshakes(w);
    if (list_empty(&w->core.runnable) && !turn_has_handshakes(&w->core))
        ev_idle_stop(loop, &w->core.keep_turning);
}

static void on_idle(struct ev_loop *loop, struct ev_idle *idle, int events)
{
    (void)loop;
    (void)idle;
    (void)events; /* the watcher only keeps the loop from sleeping */
}

/* ---- modes ---- */

/* Close one tick's share of the sessions, oldest first. Skip those that are already closing. */
static void on_pace(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct worker *w = CONTAINER_OF(timer, struct worker, pace);
    size_t left = w->pace_each;
    for (struct list *l = w->core.sessions.next, *next; left > 0 && l != &w->core.sessions;
         l = next) {
        next = l->next;
        struct session *s = CONTAINER_OF(l, struct session, link);
        if (s->state == SESSION_CLOSING)
            continue;
        session_end(s, CLOSE_SHUTDOWN);
        left--;
    }
}

static void drain(struct worker *w)
{
    for (size_t i = 0; i < w->n_listeners; i++)
        listener_close(w->listeners[i]);
    /* close all within 80 % of the time; the rest is for those that still have data to send */
    double ticks = w->core.snapshot->config->timeouts.shutdown_ms * 0.8 / 1000.0 / PACE_TICK_S;
    w->pace_each = (size_t)((double)w->core.n_sessions / (ticks < 1 ? 1 : ticks)) + 1;
    w->pace.repeat = PACE_TICK_S;
    ev_timer_again(w->core.loop, &w->pace);
}

static void stop(struct worker *w)
{
    for (size_t i = 0; i < w->n_listeners; i++)
        listener_close(w->listeners[i]);
    /* a session that still has data to send needs a second call to end */
    while (!list_empty(&w->core.sessions))
        session_end(CONTAINER_OF(w->core.sessions.next, struct session, link), CLOSE_SHUTDOWN);
    ev_break(w->core.loop, EVBREAK_ALL);
}

static void take_updates(struct worker *w)
{
    struct worker_update *oldest = worker_mailbox_take_updates(w);
    while (oldest) {
        struct worker_update *update = oldest;
        oldest = update->next;
        w->recounts += update->counted;
        if (w->mode_entered >= WORKER_DRAIN)
            worker_update_free(update); /* no new connections are accepted */
        else
            worker_apply_update(w, update);
    }
}

static void on_mail(struct ev_loop *loop, struct ev_async *mail, int events)
{
    (void)loop;
    (void)events;
    struct worker *w = CONTAINER_OF(mail, struct worker, mail);
    take_updates(w);
    bool more = worker_check_nodes(w);
    more |= worker_recount(w);
    more |= worker_search_sessions(w);
    if (more)
        worker_wake(w); /* continue in the next turn of the loop */
    /* acquire: pairs with the release in worker_set_mode() */
    int mode = atomic_load_explicit(&w->mode, memory_order_acquire);
    if (mode <= w->mode_entered)
        return;
    w->mode_entered = mode;
    w->core.stops_when_empty = true;
    if (mode == WORKER_DRAIN)
        drain(w);
    else
        stop(w);
    session_list_stop_if_empty(&w->core);
}

/* ---- life ---- */

static bool init_loop(struct worker *w)
{
    w->core.loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (!w->core.loop)
        return false;
    ev_async_init(&w->mail, on_mail);
    ev_async_start(w->core.loop, &w->mail);
    w->core.now_us = clock_monotonic_us();
    ev_check_init(&w->woken, on_woken);
    ev_set_priority(&w->woken, EV_MAXPRI);
    ev_check_start(w->core.loop, &w->woken);
    ev_prepare_init(&w->run_yielded, on_prepare);
    ev_prepare_start(w->core.loop, &w->run_yielded);
    ev_idle_init(&w->core.keep_turning, on_idle);
    ev_init(&w->pace, on_pace);
    return true;
}

struct worker *worker_new(struct worker_shared *shared, unsigned index, uint32_t relay_buffer_bytes)
{
    struct worker *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    w->core.shared = shared;
    w->core.log = shared->log;
    w->core.index = index;
    w->core.n_workers = shared->registry->workers ? shared->registry->workers : 1;
    w->core.id_base = (shared->boot_id << (SESSION_ID_SEQ_BITS + SESSION_ID_WORK_BITS)) |
                      ((uint64_t)index << SESSION_ID_SEQ_BITS);
    list_init(&w->core.sessions);
    list_init(&w->core.walks);
    list_init(&w->core.runnable);
    list_init(&w->core.handshakes_active);
    list_init(&w->core.handshakes_pending);
    list_init(&w->core.stuck);
    list_init(&w->queries_active);
    list_init(&w->recount.link);
    worker_init_accept(w);
    pool_init(&w->core.relay_pool, relay_buffer_bytes, RELAY_BLOCKS_KEPT);
    w->core.scratch = malloc(relay_buffer_bytes);
    splice_init(&w->core.relay_pipe);
    w->tls_library = tls_library_new();
    if (w->core.scratch && w->tls_library && init_loop(w))
        return w;
    worker_free(w);
    return NULL;
}

struct tls_library *worker_tls_library(const struct worker *w)
{
    return w->tls_library;
}

/*
 * No thread cancels a worker. With both settings, glibc does no cancellation work around blocking
 * calls. This saves two locked instructions per call: a tenth of the cost of recv() on an empty
 * socket.
 */
static void refuse_cancelling(void)
{
    int before;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    (void)pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &before);
}

static void *run(void *arg)
{
    struct worker *w = arg;
    refuse_cancelling();
    take_updates(w);
    for (size_t i = 0; i < w->n_listeners; i++)
        worker_start_listener(w, w->listeners[i]);
    w->running = true;
    ev_run(w->core.loop, 0);
    worker_end_queries(w);
    w->core.shared->ended(w->core.shared->arg);
    return NULL;
}

bool worker_start(struct worker *w)
{
    int err = pthread_create(&w->thread, NULL, run, w);
    w->started = err == 0;
    errno = err;
    return w->started;
}

void worker_join(struct worker *w)
{
    if (w->started)
        (void)pthread_join(w->thread, NULL);
    w->started = false;
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    assert(!w->started && list_empty(&w->core.sessions));
    for (size_t i = 0; i < w->n_listeners; i++)
        listener_unref(w->listeners[i]);
    free(w->listeners);
    for (size_t i = 0; i < w->core.n_cluster_views; i++)
        cluster_view_unref(w->core.cluster_views[i]);
    free(w->core.cluster_views);
    for (struct worker_update *p = w->updates, *next; p; p = next) {
        next = p->next;
        worker_update_free(p);
    }
    worker_end_queries(w);
    worker_fini_accept(w);
    snapshot_unref(w->core.snapshot);
    tls_library_free(w->tls_library);
    pool_fini(&w->core.relay_pool);
    free(w->core.scratch);
    splice_fini(&w->core.relay_pipe);
    if (w->core.loop)
        ev_loop_destroy(w->core.loop);
    free(w);
}

const struct counters *worker_counters(const struct worker *w)
{
    return &w->core.counters;
}
