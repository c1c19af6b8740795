/*
 * run.c - run a session's stages until they wait; begin and end sessions.
 *
 *    client's socket --+
 *    node's socket  ---+--> session_run(): stages until one waits --> session_watch()
 *    deadline       ---+
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admit.h"
#include "base/clock.h"
#include "base/slab.h"
#include "proxy/listener.h"
#include "proxy/session/access_log.h"
#include "proxy/session/device.h"
#include "proxy/session/memory.h"
#include "proxy/session/session.h"
#include "proxy/session/session_list.h"
#include "proxy/session/turn.h"
#include "stages.h"

/*
 * If there is no room for the data that this pump can leave waiting, first close the sessions whose
 * data has waited longest. If nothing waits, there is always room; the configuration ensures this.
 */
static enum step relay(struct session *s)
{
    struct session *victim;
    if (s->w->relay_pool.n_held > 0)
        while ((victim = memory_victim(s)))
            session_end(victim, CLOSE_RELAY_MEMORY);
    return stage_relay(s);
}

/* Per state: its stage, and the action when its deadline passes. */
static const struct {
    enum step (*stage)(struct session *s);
    enum step (*timed_out)(struct session *s); /* null: close with `late` */
    enum close_reason late;
} stages[] = {
    [SESSION_ACCEPT] = {stage_accept, NULL, CLOSE_CONNECT_TIMEOUT},
    [SESSION_PROXY_IN] = {stage_proxy_in, NULL, CLOSE_PROXY_TIMEOUT},
    [SESSION_TLS] = {stage_tls, NULL, CLOSE_TLS_TIMEOUT},
    [SESSION_WEBSOCKET] = {stage_websocket, NULL, CLOSE_WEBSOCKET_TIMEOUT},
    [SESSION_CONNECT] = {stage_connect, NULL, CLOSE_CONNECT_TIMEOUT},
    [SESSION_ROUTE] = {stage_route, NULL, CLOSE_PLACEMENT_TIMEOUT},
    [SESSION_DIAL] = {stage_dial, stage_dial_timed_out, CLOSE_PLACEMENT_TIMEOUT},
    [SESSION_CONNACK] = {stage_connack, stage_connack_timed_out, CLOSE_CONNACK_TIMEOUT},
    [SESSION_RELAY] = {relay, stage_relay_timed_out, CLOSE_IDLE_TIMEOUT},
    [SESSION_CLOSING] = {stage_closing, NULL, CLOSE_SHUTDOWN},
    [SESSION_CLOSED] = {NULL, NULL, CLOSE_SHUTDOWN},
};
_Static_assert(ARRAY_LEN(stages) == SESSION_STATE_COUNT, "every state has a row");

/* ---- end ---- */

/* Stop counting the session for its source, its listener and the process. */
static void give_up_place(struct session *s)
{
    admit_leave(s);
    atomic_fetch_sub_explicit(&s->tag->live->connections, 1, memory_order_relaxed);
    session_list_remove(s);
    session_list_uncount(s->w);
}

static void count_end(const struct session *s)
{
    struct counters *counters = &s->w->counters;
    counter_add(&counters->closed[s->reason], 1);
    if (s->probe)
        counter_add(&counters->probes, 1);
    if (s->arrival) { /* never relayed; RELAY counts bytes as it moves them */
        counter_add(&counters->bytes_up, s->up.bytes);
        counter_add(&counters->bytes_down, s->down.bytes);
    }
    counter_sub(&counters->in_state[SESSION_CLOSED], 1);
}

/* Free the slot, then log, then count: each step implies that the earlier ones are done. */
static void session_free(struct session *s)
{
    struct worker_core *w = s->w;
    give_up_place(s);
    access_log_session(s);
    ev_io_stop(w->loop, &s->client_io);
    ev_timer_stop(w->loop, &s->deadline);
    session_drop_node(s);
    stream_free(s->client);
    proxy_in_free(s->proxy_in);
    flow_release(&s->up, &w->relay_pool);
    flow_release(&s->down, &w->relay_pool);
    memory_note_waiting(s, false);
    count_end(s);
    node_live_unref(s->node);
    if (s->arrival)
        session_free_arrival(s);
    listener_tag_unref(s->tag);
    if (s->names)
        slab_free(s->names, sizeof(*s->names) + s->names->client_id_n + s->names->username_n);
    free(s->detail);
    free(s->attempts);
    slab_free(s, sizeof(*s));
}

/* ---- run ---- */

void session_run(struct session *s)
{
    enum step step = STEP_MOVED;
    while (step == STEP_MOVED && s->state != SESSION_CLOSED)
        step = stages[s->state].stage(s);

    if (s->state == SESSION_CLOSED) {
        session_free(s);
        return;
    }
    if (step == STEP_YIELD)
        turn_yield(s);
    else if (step == STEP_QUEUE)
        turn_queue_handshake(s, s->arrival->handshake_begun);
    session_watch(s, false);
}

/* End a session from outside its stages. A session in CLOSING is closed immediately. */
static void end(struct session *s, enum close_reason reason, const char *detail)
{
    if (s->state == SESSION_CLOSING)
        session_goto(s, SESSION_CLOSED);
    else
        session_close(s, reason, detail);
    session_run(s);
}

void session_end(struct session *s, enum close_reason reason)
{
    end(s, reason, NULL);
}

/* ---- events ---- */

/*
 * Handle events of a socket. up, down: the events that each direction waits for there.
 *
 * EV_ERROR: epoll_ctl() has failed, for lack of memory or at the limit fs.epoll.max_user_watches,
 * and libev has stopped the watcher. Nothing would wake the session, and restarting the watcher
 * would loop.
 */
static void on_socket(struct session *s, int events, int up, int down)
{
    if (events & EV_ERROR) {
        end(s, CLOSE_LOCAL_LIMIT, "cannot watch a socket");
        return;
    }
    if (!(events & (up | down))) {
        session_watch(s, true);
        return;
    }
    s->up.due |= (events & up) != 0;
    s->down.due |= (events & down) != 0;
    session_run(s);
}

static void on_client(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    struct session *s = CONTAINER_OF(io, struct session, client_io);
    on_socket(s, events, s->up.read_wait, s->down.write_wait);
}

static void on_node(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    struct session *s = CONTAINER_OF(io, struct session, node_io);
    on_socket(s, events, s->up.write_wait, s->down.read_wait);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct session *s = CONTAINER_OF(timer, struct session, deadline);
    if (s->state == SESSION_CLOSING)
        session_goto(s, SESSION_CLOSED); /* the client's time to read the refusal is over */
    else if (stages[s->state].timed_out)
        stages[s->state].timed_out(s);
    else
        session_close(s, stages[s->state].late, NULL);
    session_run(s);
}

/* ---- begin ---- */

static struct session *session_new(struct worker_core *w, struct listener *listener, int fd,
                                   const struct address *source)
{
    struct session *s = slab_zalloc(sizeof(*s));
    if (!s) {
        close(fd);
        return NULL;
    }
    s->w = w;
    s->source = *source;
    s->id = session_list_next_id(w);
    s->entered_us = clock_monotonic_us();
    s->client = stream_tcp_new(fd); /* takes fd, on failure too */
    s->arrival = calloc(1, sizeof(*s->arrival));
    if (!s->client || !s->arrival) {
        stream_free(s->client);
        free(s->arrival);
        slab_free(s, sizeof(*s));
        return NULL;
    }
    s->arrival->listener = listener_ref(listener);
    s->tag = listener->tag;
    s->tag->refs++;
    atomic_fetch_add_explicit(&s->tag->live->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->tag->live->accepted, 1, memory_order_relaxed);
    s->arrival->reject_reason = CLOSE_REASON_COUNT;
    mqtt_connect_init(&s->arrival->connect, listener->conf->lenient,
                      w->snapshot->config->limits.connect_max_bytes);
    list_append(&w->sessions, &s->link);
    list_init(&s->runnable);
    list_init(&s->stuck);
    list_init(&s->seat_link);
    s->tls_holds[TLS_SIDE_CLIENT] = s->tls_holds[TLS_SIDE_NODE] = TLS_HOLD_NONE;
    ev_io_init(&s->client_io, on_client, fd, 0);
    ev_io_init(&s->node_io, on_node, -1, 0);
    ev_init(&s->deadline, on_deadline);
    counter_add(&w->counters.in_state[SESSION_ACCEPT], 1);
    return s;
}

void session_begin(struct worker_core *w, struct listener *listener, int fd,
                   const struct address *source)
{
    counter_add(&w->counters.accepted, 1);
    session_list_count(w);
    struct session *s = session_new(w, listener, fd, source);
    if (s) {
        session_run(s);
        return;
    }
    /* out of memory */
    counter_add(&w->counters.closed[CLOSE_OUT_OF_MEMORY], 1);
    session_list_uncount(w);
}
