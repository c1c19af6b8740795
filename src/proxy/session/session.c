/*
 * session.c - run a session's stages, keep its watchers and its deadline.
 *
 * Three events wake a session: its client's socket, its node's socket, its deadline. All
 * three end in session_run(), which runs stages until one waits. State changes pass one
 * door, session_goto(); watcher masks are computed in one place, session_watch().
 */
#include "session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access_log.h"
#include "base/clock.h"
#include "device.h"
#include "memory.h"
#include "net/ws/stream.h"
#include "proxy/cluster_view.h"
#include "proxy/listener.h"
#include "proxy/stages/admit.h"
#include "proxy/worker/worker.h"

#define BIT(state) (1u << SESSION_##state)
#define ENDS       (BIT(FAREWELL) | BIT(CLOSED))

/* What the corridor looks like: each state's stage, where it may lead, what its deadline means. */
static const struct {
    enum step (*stage)(struct session *s);
    unsigned next;                             /* bit per state */
    enum step (*timed_out)(struct session *s); /* null: close with late */
    enum close_reason late;
} corridor[] = {
    [SESSION_ACCEPT] = {stage_accept,
                        BIT(PROXY_IN) | BIT(TLS) | BIT(WEBSOCKET) | BIT(CONNECT) | ENDS, NULL,
                        CLOSE_CONNECT_TIMEOUT},
    [SESSION_PROXY_IN] = {stage_proxy_in, BIT(TLS) | BIT(WEBSOCKET) | BIT(CONNECT) | ENDS, NULL,
                          CLOSE_PROXY_TIMEOUT},
    [SESSION_TLS] = {stage_tls, BIT(WEBSOCKET) | BIT(CONNECT) | ENDS, NULL, CLOSE_TLS_TIMEOUT},
    [SESSION_WEBSOCKET] = {stage_websocket, BIT(CONNECT) | ENDS, NULL, CLOSE_WEBSOCKET_TIMEOUT},
    [SESSION_CONNECT] = {stage_connect, BIT(ROUTE) | ENDS, NULL, CLOSE_CONNECT_TIMEOUT},
    [SESSION_ROUTE] = {stage_route, BIT(DIAL) | ENDS, NULL, CLOSE_PLACEMENT_TIMEOUT},
    [SESSION_DIAL] = {stage_dial, BIT(CONNACK) | ENDS, stage_dial_timed_out,
                      CLOSE_PLACEMENT_TIMEOUT},
    [SESSION_CONNACK] = {stage_connack, BIT(DIAL) | BIT(RELAY) | ENDS, stage_connack_timed_out,
                         CLOSE_CONNACK_TIMEOUT},
    [SESSION_RELAY] = {stage_relay, ENDS, stage_relay_timed_out, CLOSE_IDLE_TIMEOUT},
    [SESSION_FAREWELL] = {stage_farewell, BIT(CLOSED), NULL, CLOSE_SHUTDOWN},
    [SESSION_CLOSED] = {NULL, 0, NULL, CLOSE_SHUTDOWN},
};
_Static_assert(ARRAY_LEN(corridor) == SESSION_STATE_COUNT, "every state has a row");
_Static_assert(CLOSE_REASON_COUNT <= 256 && PLACEMENT_KIND_COUNT <= 256, "a session keeps 8 bits");

const char *session_state_name(enum session_state state)
{
    static const char *const words[] = {
#define X(suffix, word) word,
        SESSION_STATES(X)
#undef X
    };
    assert(state < SESSION_STATE_COUNT);
    return words[state];
}

double session_try_limit_ms(const struct session *s, uint32_t limit_ms)
{
    double left_ms =
        (double)s->w->snapshot->config->timeouts.placement_ms - (double)session_placing_ms(s);
    return left_ms > limit_ms ? limit_ms : left_ms > 1 ? left_ms : 1;
}

/* Milliseconds a session may stay in a state; 0 = as long as it likes. */
static double state_limit_ms(const struct session *s, enum session_state state)
{
    const struct timeouts_conf *timeouts = &s->w->snapshot->config->timeouts;
    switch (state) {
    case SESSION_PROXY_IN:
        return timeouts->proxy_header_ms;
    case SESSION_TLS:
        return timeouts->tls_handshake_ms;
    case SESSION_WEBSOCKET:
        return timeouts->websocket_upgrade_ms;
    case SESSION_CONNECT:
        return timeouts->connect_packet_ms;
    case SESSION_DIAL:
        return timeouts->dial_ms;
    case SESSION_CONNACK:
        return session_try_limit_ms(s, timeouts->connack_ms);
    case SESSION_FAREWELL:
        return timeouts->farewell_ms;
    default:
        return 0; /* passes at once, or sets its own (RELAY) */
    }
}

void session_set_deadline(struct session *s, double ms)
{
    s->deadline.repeat = ms > 0 ? ms / 1000.0 : 0;
    s->deadline_moved = true;
}

/* What the state that is left, after so long, says about how fast we are. */
static void note_duration(const struct session *s, enum session_state next, uint64_t spent_us)
{
    const uint64_t placed_ms = (uint64_t)s->spent_ms[SESSION_ROUTE] + s->spent_ms[SESSION_DIAL] +
                               s->spent_ms[SESSION_CONNACK];
    if (s->state == SESSION_TLS && next < SESSION_FAREWELL)
        histogram_add(&s->w->counters.tls_us, spent_us);
    if (next == SESSION_RELAY)
        histogram_add(&s->w->counters.connack_us, placed_ms * 1000u + spent_us);
}

static void note_spent(struct session *s, uint64_t ms)
{
    if (s->state < SESSION_RELAY)
        s->spent_ms[s->state] += (uint32_t)ms;
    else if (s->state == SESSION_RELAY)
        s->relay_ms += ms;
    else
        s->farewell_ms += (uint32_t)ms;
}

uint64_t session_spent_ms(const struct session *s, enum session_state state)
{
    if (state < SESSION_RELAY)
        return s->spent_ms[state];
    if (state == SESSION_RELAY)
        return s->relay_ms;
    return state == SESSION_FAREWELL ? s->farewell_ms : 0;
}

void session_goto(struct session *s, enum session_state state)
{
    assert(corridor[s->state].next & (1u << state));
    uint64_t now_us = clock_monotonic_us();
    const uint64_t spent_us = now_us - s->entered_us;
    note_duration(s, state, spent_us);
    note_spent(s, spent_us / 1000u);
    s->entered_us = now_us;
    /* within placing the rest of a millisecond goes on into the next state: the sum is exact */
    if (s->state >= SESSION_ROUTE && state < SESSION_RELAY)
        s->entered_us -= spent_us % 1000u;
    counter_sub(&s->w->counters.in_state[s->state], 1);
    s->state = state;
    counter_add(&s->w->counters.in_state[state], 1);
    session_set_deadline(s, state_limit_ms(s, state));
}

uint64_t session_placing_ms(const struct session *s)
{
    uint64_t here_ms = (clock_monotonic_us() - s->entered_us) / 1000u;
    return here_ms + s->spent_ms[SESSION_ROUTE] + s->spent_ms[SESSION_DIAL] +
           s->spent_ms[SESSION_CONNACK];
}

struct span session_client_id(const struct session *s)
{
    return s->names ? span_of(s->names->text, s->names->client_id_n) : (struct span){0};
}

struct span session_username(const struct session *s)
{
    if (!s->names || !s->names->has_username)
        return (struct span){0};
    return span_of(s->names->text + s->names->client_id_n, s->names->username_n);
}

/* Does the client speak WebSocket by now? */
static bool session_is_websocket(const struct session *s)
{
    return s->tag->websocket && s->client && s->state >= SESSION_CONNECT;
}

/* May a CONNACK of ours still be said? Only between a readable CONNECT and the node's answer. */
static bool may_speak(const struct session *s)
{
    return s->state >= SESSION_CONNECT && s->state <= SESSION_CONNACK && s->down.bytes == 0;
}

static void compose_farewell(struct session *s)
{
    const struct close_reason_row *row = close_reason_row(s->reason);
    struct arrival *a = s->arrival;
    if (!may_speak(s))
        return;
    if (row->farewell == FAREWELL_FAULT)
        a->farewell_n = (uint8_t)mqtt_connack_for_fault(&a->connect, a->farewell);
    else if (row->farewell == FAREWELL_REFUSAL)
        a->farewell_n = (uint8_t)mqtt_connack_refuse(&a->connect, row->refusal, a->farewell);
    if (a->farewell_n > 0)
        counter_add(&s->w->counters.refused[a->farewell[MQTT_CONNACK_CODE_AT]], 1);
}

/*
 * Is there a client to part from in order (last words, FIN, drain)? One that has left, broke, or
 * was owed nothing is closed at once: that is cheap, and a botnet gets no more.
 */
static bool parts_in_order(const struct session *s)
{
    if (!s->client)
        return false;
    if ((s->arrival && s->arrival->farewell_n > 0) || s->reason == CLOSE_WEBSOCKET_REFUSED ||
        s->reason == CLOSE_HTTP_PROBE)
        return true;
    if (s->reason == CLOSE_RELAY_MEMORY)
        return false; /* it is what waits for the client that is in the way */
    if (session_is_websocket(s) && s->reason != CLOSE_CLIENT_CLOSED_EARLY && !s->down.closed)
        return true; /* a close frame says why, also to one that broke a rule */
    /* of a node that died it has got everything, but it may still be sending */
    const bool owed = !s->down.closed || s->up.discards;
    return s->down.bytes > 0 && owed && s->reason != CLOSE_CLIENT_ERROR;
}

static void release_packets(struct session *s)
{
    buffer_release(&s->arrival->first);
    buffer_release(&s->arrival->answer);
    memory_note_held(s);
}

void session_settle(struct session *s)
{
    struct arrival *arrival = s->arrival;
    release_packets(s);
    cluster_view_unref(arrival->cluster_view);
    listener_unref(arrival->listener);
    free(arrival);
    s->arrival = NULL;
}

static void note_reason(struct session *s, enum close_reason reason, const char *detail)
{
    s->reason = reason;
    if (detail) {
        free(s->detail);
        s->detail = strdup(detail); /* short of memory: the log has the reason */
    }
    if (session_is_websocket(s))
        stream_ws_set_close_code(s->client, close_reason_row(reason)->ws_code);
}

void session_note_fault(struct session *s, enum close_reason reason, const char *detail)
{
    if (s->failed)
        return;
    note_reason(s, reason, detail);
    s->failed = true;
}

enum step session_close(struct session *s, enum close_reason reason, const char *detail)
{
    note_reason(s, reason, detail);
    compose_farewell(s);
    bool in_order = parts_in_order(s);
    dial_abandon(s);
    if (s->arrival)
        release_packets(s);
    flow_release(&s->up, &s->w->relay_pool);
    list_remove(&s->stuck);
    session_goto(s, in_order ? SESSION_FAREWELL : SESSION_CLOSED);
    return MOVED;
}

/* Its place among the connections of its source, its listener and the process is free. */
static void give_up_place(struct session *s)
{
    admit_leave(s);
    atomic_fetch_sub_explicit(&s->tag->live->connections, 1, memory_order_relaxed);
    worker_session_leaves(s->w, s);
    worker_recount_leaves(s->w, s);
    list_remove(&s->link);
    list_remove(&s->runnable);
    worker_session_gone(s->w);
}

static void count_end(const struct session *s)
{
    struct counters *counters = &s->w->counters;
    counter_add(&counters->closed[s->reason], 1);
    if (s->probe)
        counter_add(&counters->probes, 1);
    if (s->arrival) { /* never relayed; else they were counted as they moved */
        counter_add(&counters->bytes_up, s->up.bytes);
        counter_add(&counters->bytes_down, s->down.bytes);
    }
    counter_sub(&counters->in_state[SESSION_CLOSED], 1);
}

/*
 * In this order: who reads that a session has ended may come in its place, and who sees it counted
 * can read its line.
 */
static void session_free(struct session *s)
{
    struct worker *w = s->w;
    give_up_place(s);
    access_log_session(s);
    ev_io_stop(w->loop, &s->client_io);
    ev_timer_stop(w->loop, &s->deadline);
    dial_abandon(s);
    stream_free(s->client);
    proxied_free(s->proxied);
    flow_release(&s->up, &w->relay_pool);
    flow_release(&s->down, &w->relay_pool);
    memory_note_waiting(s, false);
    count_end(s);
    node_live_unref(s->node);
    if (s->arrival)
        session_settle(s);
    listener_tag_unref(s->tag);
    free(s->names);
    free(s->detail);
    free(s->tried);
    free(s);
}

static int mask_of(const struct ev_io *io)
{
    return ev_is_active(io) ? io->events & (EV_READ | EV_WRITE) : 0;
}

/*
 * Reading stays watched when nobody wants it for a while: mostly nothing comes meanwhile, and to
 * stop and start again is a system call. If something comes, or the sender's end is there, which
 * stays readable, the mask is set in earnest.
 */
static void set_mask(struct ev_loop *loop, struct ev_io *io, int mask, bool in_earnest)
{
    const int before = mask_of(io);
    if (before == mask || (before == (mask | EV_READ) && !in_earnest))
        return;
    ev_io_stop(loop, io);
    if (mask) {
        ev_io_set(io, io->fd, mask);
        ev_io_start(loop, io);
    }
}

/*
 * Watch what the flows wait for, and the deadline. Every stage states its wish there: before the
 * relay `up` stands for reading the client and writing the node, `down` for the way back.
 */
static void session_watch(struct session *s, bool in_earnest)
{
    if (s->deadline_moved)
        ev_timer_again(s->w->loop, &s->deadline); /* a repeat of 0 stops it */
    s->deadline_moved = false;
    int client_mask = s->up.read_wait | s->down.write_wait;
    int node_mask = s->node_stream ? s->up.write_wait | s->down.read_wait : 0;
    set_mask(s->w->loop, &s->client_io, client_mask, in_earnest || s->up.ended);
    if (s->node_stream)
        set_mask(s->w->loop, &s->node_io, node_mask, in_earnest || s->down.ended);
    /* something must wake every session that is not closed */
    assert(client_mask || node_mask || ev_is_active(&s->deadline) || !list_empty(&s->runnable));
}

void session_run(struct session *s)
{
    enum step step = MOVED;
    while (step == MOVED && s->state != SESSION_CLOSED)
        step = corridor[s->state].stage(s);

    if (s->state == SESSION_CLOSED) {
        session_free(s);
        return;
    }
    if (step == YIELD)
        worker_yield(s->w, s);
    else if (step == QUEUE)
        worker_queue_handshake(s->w, s, s->arrival->shaking);
    session_watch(s, false);
}

void session_end(struct session *s, enum close_reason reason)
{
    if (s->state == SESSION_FAREWELL)
        session_goto(s, SESSION_CLOSED);
    else
        session_close(s, reason, NULL);
    session_run(s);
}

/*
 * epoll_ctl() failed for want of memory, or of fs.epoll.max_user_watches, and libev has stopped
 * the watcher: nothing would wake the session, and to start it again would be to spin.
 */
static void end_unwatched(struct session *s)
{
    if (s->state == SESSION_FAREWELL)
        session_goto(s, SESSION_CLOSED);
    else
        session_close(s, CLOSE_LOCAL_LIMIT, "a socket cannot be watched");
    session_run(s);
}

static void on_client(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    struct session *s = CONTAINER_OF(io, struct session, client_io);
    if (events & EV_ERROR) {
        end_unwatched(s);
        return;
    }
    if (!(events & (s->up.read_wait | s->down.write_wait))) {
        session_watch(s, true);
        return;
    }
    s->up.due |= (events & s->up.read_wait) != 0;
    s->down.due |= (events & s->down.write_wait) != 0;
    session_run(s);
}

static void on_node(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    struct session *s = CONTAINER_OF(io, struct session, node_io);
    if (events & EV_ERROR) {
        end_unwatched(s);
        return;
    }
    if (!(events & (s->up.write_wait | s->down.read_wait))) {
        session_watch(s, true);
        return;
    }
    s->up.due |= (events & s->up.write_wait) != 0;
    s->down.due |= (events & s->down.read_wait) != 0;
    session_run(s);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct session *s = CONTAINER_OF(timer, struct session, deadline);
    if (s->state == SESSION_FAREWELL)
        session_goto(s, SESSION_CLOSED); /* it had its time to read our last words */
    else if (corridor[s->state].timed_out)
        corridor[s->state].timed_out(s);
    else
        session_close(s, corridor[s->state].late, NULL);
    session_run(s);
}

void session_watch_node(struct session *s, int fd)
{
    ev_io_stop(s->w->loop, &s->node_io);
    ev_io_set(&s->node_io, fd, 0);
}

static struct session *session_new(struct worker *w, struct listener *listener, int fd,
                                   const struct address *source)
{
    struct session *s = calloc(1, sizeof(*s));
    if (!s) {
        close(fd);
        return NULL;
    }
    s->w = w;
    s->source = *source;
    s->id = worker_next_id(w);
    s->entered_us = clock_monotonic_us();
    s->client = stream_tcp_new(fd); /* takes fd, on failure too */
    s->arrival = calloc(1, sizeof(*s->arrival));
    if (!s->client || !s->arrival) {
        stream_free(s->client);
        free(s->arrival);
        free(s);
        return NULL;
    }
    s->arrival->listener = listener_ref(listener);
    s->tag = listener->tag;
    s->tag->refs++;
    atomic_fetch_add_explicit(&s->tag->live->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->tag->live->accepted, 1, memory_order_relaxed);
    s->arrival->turned_away = CLOSE_REASON_COUNT;
    mqtt_connect_init(&s->arrival->connect, listener->conf->lenient,
                      w->snapshot->config->limits.connect_max_bytes);
    list_append(&w->sessions, &s->link);
    list_init(&s->runnable);
    list_init(&s->stuck);
    list_init(&s->seat_link);
    ev_io_init(&s->client_io, on_client, fd, 0);
    ev_io_init(&s->node_io, on_node, -1, 0);
    ev_init(&s->deadline, on_deadline);
    counter_add(&w->counters.in_state[SESSION_ACCEPT], 1);
    return s;
}

void session_begin(struct worker *w, struct listener *listener, int fd,
                   const struct address *source)
{
    counter_add(&w->counters.accepted, 1);
    worker_session_came(w);
    struct session *s = session_new(w, listener, fd, source);
    if (s) {
        session_run(s);
        return;
    }
    /* no memory for even a session: nothing was said, nothing is owed */
    counter_add(&w->counters.closed[CLOSE_OUT_OF_MEMORY], 1);
    worker_session_gone(w);
}
