/*
 * worker.c - one thread: make it, run it, drain it, free it.
 *
 * The mailbox is an atomic mode, atomic chains of plans and of questions, and one ev_async. An
 * ev_async coalesces, so it carries no message: it says "look".
 *
 *    main thread                      worker
 *    plan           --ev_async-->     worker_take_plan(): new doors, nodes, TLS contexts
 *    node records   --ev_async-->     worker_look_at_nodes(): close and move sessions
 *    (a plan)       --ev_async-->     worker_recount(): count sessions off home
 *    questions      --ev_async-->     worker_look_for_sessions()
 *    mode = DRAIN  --ev_async-->     close listeners, pace the sessions out
 *    mode = STOP   --ev_async-->     close everything, leave the loop
 *    ended() <---------------------   last act of the thread
 */
#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/session/session.h"

#define PACE_TICK_S          0.05
#define RELAY_BLOCKS_KEPT    64
#define FLEET_SESSIONS       512 /* fewer are not worth a look at the heap */
#define SESSION_ID_SEQ_BITS  32
#define SESSION_ID_WORK_BITS 8

/* ---- sessions that yielded ---- */

void worker_yield(struct worker *w, struct session *s)
{
    if (list_empty(&s->runnable))
        list_append(&w->runnable, &s->runnable);
    ev_idle_start(w->loop, &w->keep_turning); /* the loop must not sleep now */
}

/*
 * Runs first after the loop has polled. Not ev_now(), which is wall-clock time: setting the clock
 * would close sessions as idle, or keep dead ones.
 */
static void on_woken(struct ev_loop *loop, struct ev_check *check, int events)
{
    (void)loop;
    (void)events;
    CONTAINER_OF(check, struct worker, woken)->now_us = clock_monotonic_us();
}

/*
 * Runs once a loop turn, before it polls. Whoever yields again goes to the next turn: feeding
 * events instead would run them again in this one, and nobody else.
 */
static void on_prepare(struct ev_loop *loop, struct ev_prepare *prepare, int events)
{
    (void)events;
    struct worker *w = CONTAINER_OF(prepare, struct worker, run_yielded);
    struct list turn;
    /* how long others had to wait for the loop */
    histogram_add(&w->counters.turn_us, clock_monotonic_us() - w->now_us);
    list_init(&turn);
    list_move_all(&w->runnable, &turn);
    while (!list_empty(&turn)) {
        struct session *s = CONTAINER_OF(turn.next, struct session, runnable);
        list_remove(&s->runnable);
        session_run(s);
    }
    worker_run_handshakes(w);
    if (list_empty(&w->runnable) && !worker_has_handshakes(w))
        ev_idle_stop(loop, &w->keep_turning);
}

static void on_idle(struct ev_loop *loop, struct ev_idle *idle, int events)
{
    (void)loop;
    (void)idle;
    (void)events; /* its being active is all it is for */
}

bool worker_admits(const struct worker *w)
{
    return atomic_load_explicit(&w->shared->connections, memory_order_relaxed) <=
           atomic_load_explicit(&w->shared->max_connections, memory_order_relaxed);
}

/* ---- orders ---- */

static void end_if_empty(struct worker *w)
{
    if (w->mode_entered >= WORKER_DRAIN && list_empty(&w->sessions))
        ev_break(w->loop, EVBREAK_ALL);
}

uint64_t worker_next_id(struct worker *w)
{
    return w->id_base | w->next_id++;
}

void worker_session_came(struct worker *w)
{
    atomic_fetch_add_explicit(&w->shared->connections, 1, memory_order_relaxed);
    w->n_sessions++;
    w->most_sessions = size_max(w->most_sessions, w->n_sessions);
}

/* A fleet has left: what it took can go back to the system. */
static void note_emptied(struct worker *w)
{
    if (w->most_sessions < FLEET_SESSIONS || w->n_sessions > w->most_sessions / 4)
        return;
    w->most_sessions = w->n_sessions;
    w->shared->emptied(w->shared->arg);
}

void worker_session_gone(struct worker *w)
{
    w->n_sessions--;
    note_emptied(w);
    atomic_fetch_sub_explicit(&w->shared->connections, 1, memory_order_relaxed);
    end_if_empty(w);
}

/* Close the oldest sessions, a tick's share of them. Those in their farewell are left to it. */
static void on_pace(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct worker *w = CONTAINER_OF(timer, struct worker, pace);
    size_t left = w->pace_each;
    for (struct list *l = w->sessions.next, *next; left > 0 && l != &w->sessions; l = next) {
        next = l->next;
        struct session *s = CONTAINER_OF(l, struct session, link);
        if (s->state == SESSION_FAREWELL)
            continue;
        session_end(s, CLOSE_SHUTDOWN);
        left--;
    }
}

static void drain(struct worker *w)
{
    for (size_t i = 0; i < w->n_listeners; i++)
        listener_close(w->listeners[i]);
    /* done at four fifths of the time, so that farewells fit into the rest */
    double ticks = w->snapshot->config->timeouts.shutdown_ms * 0.8 / 1000.0 / PACE_TICK_S;
    w->pace_each = (size_t)((double)w->n_sessions / (ticks < 1 ? 1 : ticks)) + 1;
    w->pace.repeat = PACE_TICK_S;
    ev_timer_again(w->loop, &w->pace);
}

static void stop(struct worker *w)
{
    for (size_t i = 0; i < w->n_listeners; i++)
        listener_close(w->listeners[i]);
    /* a session that still has a farewell to say needs a second push */
    while (!list_empty(&w->sessions))
        session_end(CONTAINER_OF(w->sessions.next, struct session, link), CLOSE_SHUTDOWN);
    ev_break(w->loop, EVBREAK_ALL);
}

/* All plans that wait, in the order they were given. */
static void take_plans(struct worker *w)
{
    struct worker_plan *newest = atomic_exchange_explicit(&w->plans, NULL, memory_order_acq_rel);
    struct worker_plan *oldest = NULL;
    while (newest) {
        struct worker_plan *before = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = before;
    }
    while (oldest) {
        struct worker_plan *plan = oldest;
        oldest = plan->next;
        w->recounts += plan->counted;
        if (w->mode_entered >= WORKER_DRAIN)
            worker_plan_free(plan); /* no new connections any more */
        else
            worker_take_plan(w, plan);
    }
}

static void on_mail(struct ev_loop *loop, struct ev_async *mail, int events)
{
    (void)loop;
    (void)events;
    struct worker *w = CONTAINER_OF(mail, struct worker, mail);
    take_plans(w);
    worker_look_at_nodes(w);
    worker_recount(w);
    worker_look_for_sessions(w);
    /* acquire: pairs with the release in worker_set_mode() */
    int mode = atomic_load_explicit(&w->mode, memory_order_acquire);
    if (mode <= w->mode_entered)
        return;
    w->mode_entered = mode;
    if (mode == WORKER_DRAIN)
        drain(w);
    else
        stop(w);
    end_if_empty(w);
}

void worker_wake(struct worker *w)
{
    ev_async_send(w->loop, &w->mail);
}

void worker_give_plan(struct worker *w, struct worker_plan *plan)
{
    plan->counted = plan->snapshot;
    if (plan->counted)
        atomic_fetch_add_explicit(&w->shared->registry->recounts, 1, memory_order_relaxed);
    plan->next = atomic_load_explicit(&w->plans, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&w->plans, &plan->next, plan,
                                                  memory_order_acq_rel, memory_order_relaxed))
        continue;
    worker_wake(w);
}

void worker_set_mode(struct worker *w, enum worker_mode mode)
{
    atomic_store_explicit(&w->mode, (int)mode, memory_order_release);
    worker_wake(w);
}

/* ---- life ---- */

static bool init_loop(struct worker *w)
{
    w->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (!w->loop)
        return false;
    ev_async_init(&w->mail, on_mail);
    ev_async_start(w->loop, &w->mail);
    w->now_us = clock_monotonic_us();
    ev_check_init(&w->woken, on_woken);
    ev_set_priority(&w->woken, EV_MAXPRI);
    ev_check_start(w->loop, &w->woken);
    ev_prepare_init(&w->run_yielded, on_prepare);
    ev_prepare_start(w->loop, &w->run_yielded);
    ev_idle_init(&w->keep_turning, on_idle);
    ev_init(&w->pace, on_pace);
    return true;
}

struct worker *worker_new(struct worker_shared *shared, unsigned index, uint32_t relay_buffer_bytes)
{
    struct worker *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    w->shared = shared;
    w->log = shared->log;
    w->index = index;
    w->n_workers = shared->registry->workers ? shared->registry->workers : 1;
    w->id_base = (shared->boot_id << (SESSION_ID_SEQ_BITS + SESSION_ID_WORK_BITS)) |
                 ((uint64_t)index << SESSION_ID_SEQ_BITS);
    list_init(&w->sessions);
    list_init(&w->runnable);
    list_init(&w->stuck);
    list_init(&w->asking);
    worker_init_accept(w);
    pool_init(&w->relay_pool, relay_buffer_bytes, RELAY_BLOCKS_KEPT);
    w->scratch = malloc(relay_buffer_bytes);
    splice_init(&w->relay_pipe);
    w->tls_library = tls_library_new();
    if (w->scratch && w->tls_library && init_loop(w))
        return w;
    worker_free(w);
    return NULL;
}

struct tls_library *worker_tls_library(const struct worker *w)
{
    return w->tls_library;
}

/*
 * Nobody cancels a worker. Said in both ways, the C library has nothing to note around each call
 * that could wait: two locked instructions, a tenth of what recv() takes on an empty socket.
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
    take_plans(w);
    for (size_t i = 0; i < w->n_listeners; i++)
        listener_start(w->listeners[i]);
    w->running = true;
    ev_run(w->loop, 0);
    worker_answer_no_more(w);
    w->shared->ended(w->shared->arg);
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
    assert(!w->started && list_empty(&w->sessions));
    for (size_t i = 0; i < w->n_listeners; i++)
        listener_unref(w->listeners[i]);
    free(w->listeners);
    for (size_t i = 0; i < w->n_cluster_views; i++)
        cluster_view_unref(w->cluster_views[i]);
    free(w->cluster_views);
    for (struct worker_plan *p = w->plans, *next; p; p = next) {
        next = p->next;
        worker_plan_free(p);
    }
    worker_answer_no_more(w);
    worker_fini_accept(w);
    snapshot_unref(w->snapshot);
    tls_library_free(w->tls_library);
    pool_fini(&w->relay_pool);
    free(w->scratch);
    splice_fini(&w->relay_pipe);
    if (w->loop)
        ev_loop_destroy(w->loop);
    free(w);
}

const struct counters *worker_counters(const struct worker *w)
{
    return &w->counters;
}
