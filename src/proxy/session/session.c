/*
 * session.c - code shared by the stages of a session: state, deadline, watchers, close.
 *
 * session_goto() is the only function that changes the state, session_watch() the only one that
 * sets watcher masks. run.c calls the stages.
 */
#include "session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "device.h"
#include "memory.h"
#include "net/ws/stream.h"
#include "proxy/listener.h"
#include "seat.h"
#include "settle.h"
#include "worker_core.h"

#define BIT(state) (1u << SESSION_##state)
#define ENDS       (BIT(CLOSING) | BIT(CLOSED))

/* The states that may follow each state, as a bit mask. */
static const unsigned transitions[] = {
    [SESSION_ACCEPT] = BIT(PROXY_IN) | BIT(TLS) | BIT(WEBSOCKET) | BIT(CONNECT) | ENDS,
    [SESSION_PROXY_IN] = BIT(TLS) | BIT(WEBSOCKET) | BIT(CONNECT) | ENDS,
    [SESSION_TLS] = BIT(WEBSOCKET) | BIT(CONNECT) | ENDS,
    [SESSION_WEBSOCKET] = BIT(CONNECT) | ENDS,
    [SESSION_CONNECT] = BIT(ROUTE) | ENDS,
    [SESSION_ROUTE] = BIT(DIAL) | ENDS,
    [SESSION_DIAL] = BIT(CONNACK) | ENDS,
    [SESSION_CONNACK] = BIT(DIAL) | BIT(RELAY) | ENDS,
    [SESSION_RELAY] = ENDS,
    [SESSION_CLOSING] = BIT(CLOSED),
    [SESSION_CLOSED] = 0,
};
_Static_assert(ARRAY_LEN(transitions) == SESSION_STATE_COUNT, "every state has a row");
_Static_assert(CLOSE_REASON_COUNT <= 256, "a session keeps 8 bits");

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

/* Return how many milliseconds a session may stay in a state; 0 = no limit. */
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
    case SESSION_CLOSING:
        return timeouts->farewell_ms;
    default:
        return 0; /* the stage does not wait, or sets its own deadline (RELAY) */
    }
}

void session_set_deadline(struct session *s, double ms)
{
    s->deadline.repeat = ms > 0 ? ms / 1000.0 : 0;
    s->deadline_moved = true;
}

/* Record the duration of the state that ends. */
static void note_duration(const struct session *s, enum session_state next, uint64_t spent_us)
{
    const uint64_t placed_ms = (uint64_t)s->spent_ms[SESSION_ROUTE] + s->spent_ms[SESSION_DIAL] +
                               s->spent_ms[SESSION_CONNACK];
    if (s->state == SESSION_TLS && next < SESSION_CLOSING)
        histogram_add(&s->w->counters.tls_us, spent_us);
    if (next == SESSION_RELAY)
        histogram_add(&s->w->counters.connack_us, placed_ms * 1000u + spent_us);
}

static void note_spent(struct session *s, uint64_t ms)
{
    if (s->state < SESSION_RELAY)
        s->spent_ms[s->state] += (uint32_t)ms;
    else if (s->state == SESSION_RELAY)
        s->relay_ms = ms;
    else
        s->closing_ms += (uint32_t)ms;
}

uint64_t session_spent_ms(const struct session *s, enum session_state state)
{
    if (state < SESSION_RELAY)
        return s->spent_ms[state];
    if (state == SESSION_RELAY)
        return s->state == SESSION_RELAY ? 0 : s->relay_ms;
    return state == SESSION_CLOSING ? s->closing_ms : 0;
}

void session_goto(struct session *s, enum session_state state)
{
    assert(transitions[s->state] & (1u << state));
    uint64_t now_us = clock_monotonic_us();
    const uint64_t spent_us = now_us - s->entered_us;
    note_duration(s, state, spent_us);
    note_spent(s, spent_us / 1000u);
    s->entered_us = now_us;
    /* within placement, carry fractions of a millisecond to the next state: the sum is exact */
    if (s->state >= SESSION_ROUTE && state < SESSION_RELAY)
        s->entered_us -= spent_us % 1000u;
    counter_sub(&s->w->counters.in_state[s->state], 1);
    if (s->state == SESSION_RELAY)
        settle_end(s);
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

void session_drop_node(struct session *s)
{
    if (s->node_stream) {
        ev_io_stop(s->w->loop, &s->node_io);
        stream_free(s->node_stream);
        s->node_stream = NULL;
    }
    seat_leave(s);
    s->up.write_wait = s->down.read_wait = 0;
    if (s->arrival) {
        s->arrival->first_sent = 0;
        s->arrival->waits_for_busy_home = false;
    }
}

/* Return true if the WebSocket layer of the client is open. */
static bool session_is_websocket(const struct session *s)
{
    return s->tag->websocket && s->client && s->state >= SESSION_CONNECT;
}

/*
 * Return true if the router may send a CONNACK: after a valid CONNECT, before the node's first
 * byte.
 */
static bool may_refuse(const struct session *s)
{
    return s->state >= SESSION_CONNECT && s->state <= SESSION_CONNACK && s->down.bytes == 0;
}

static void compose_refusal(struct session *s)
{
    const struct close_reason_row *row = close_reason_row(s->reason);
    struct arrival *a = s->arrival;
    if (!may_refuse(s))
        return;
    if (row->farewell == FAREWELL_FAULT)
        a->refusal_n = (uint8_t)mqtt_connack_for_fault(&a->connect, a->refusal);
    else if (row->farewell == FAREWELL_REFUSAL)
        a->refusal_n = (uint8_t)mqtt_connack_refuse(&a->connect, row->refusal, a->refusal);
    if (a->refusal_n > 0)
        counter_add(&s->w->counters.refused[a->refusal[MQTT_CONNACK_CODE_AT]], 1);
}

/*
 * Return true if the session must close gracefully: send pending data, FIN, then drain. If the
 * client has left or failed, or nothing is pending, the connection is closed immediately, which is
 * cheap even under attack.
 */
static bool needs_farewell(const struct session *s)
{
    if (!s->client)
        return false;
    if ((s->arrival && s->arrival->refusal_n > 0) || s->reason == CLOSE_WEBSOCKET_REFUSED ||
        s->reason == CLOSE_HTTP_PROBE)
        return true;
    if (s->reason == CLOSE_RELAY_MEMORY)
        return false; /* its memory must be freed now */
    if (session_is_websocket(s) && s->reason != CLOSE_CLIENT_CLOSED_EARLY && !s->down.closed)
        return true; /* a close frame carries the reason, even after a protocol error */
    /* after a node failure, the client has received everything but may still be sending */
    const bool owed = !s->down.closed || s->up.discards;
    return s->down.bytes > 0 && owed && s->reason != CLOSE_CLIENT_ERROR;
}

static void release_packets(struct session *s)
{
    buffer_release(&s->arrival->first);
    buffer_release(&s->arrival->answer);
    memory_note_held(s);
}

void session_free_arrival(struct session *s)
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
        s->detail = strdup(detail); /* if out of memory, the log has only the reason */
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
    compose_refusal(s);
    const bool farewell = needs_farewell(s);
    session_drop_node(s);
    if (s->arrival)
        release_packets(s);
    flow_release(&s->up, &s->w->relay_pool);
    list_remove(&s->stuck);
    session_goto(s, farewell ? SESSION_CLOSING : SESSION_CLOSED);
    return STEP_MOVED;
}

/* LOCAL and UNKNOWN mean that the proxy itself connects, for a health check. */
static bool names_no_device(const struct session *s)
{
    return s->proxy_in && s->proxy_in->header.version != 0 && !s->proxy_in->header.has_address;
}

enum step session_left_early(struct session *s, bool heard, const char *detail)
{
    s->probe = !heard || names_no_device(s);
    return session_close(s, CLOSE_CLIENT_CLOSED_EARLY, detail);
}

/* ---- watchers ---- */

void session_watch_node(struct session *s, int fd)
{
    ev_io_stop(s->w->loop, &s->node_io);
    ev_io_set(&s->node_io, fd, 0);
}

static int mask_of(const struct ev_io *io)
{
    return ev_is_active(io) ? io->events & (EV_READ | EV_WRITE) : 0;
}

/*
 * Keep watching for reads that are not needed at the moment: usually nothing arrives meanwhile, and
 * changing the mask costs system calls. If something arrives (exact), or if the sender has ended
 * (its socket stays readable), set the exact mask.
 */
static void set_mask(struct ev_loop *loop, struct ev_io *io, int mask, bool exact)
{
    const int before = mask_of(io);
    if (before == mask || (before == (mask | EV_READ) && !exact))
        return;
    ev_io_stop(loop, io);
    if (mask) {
        ev_io_set(io, io->fd, mask);
        ev_io_start(loop, io);
    }
}

void session_watch(struct session *s, bool exact)
{
    if (s->deadline_moved)
        ev_timer_again(s->w->loop, &s->deadline); /* a repeat of 0 stops the timer */
    s->deadline_moved = false;
    int client_mask = s->up.read_wait | s->down.write_wait;
    int node_mask = s->node_stream ? s->up.write_wait | s->down.read_wait : 0;
    set_mask(s->w->loop, &s->client_io, client_mask, exact || s->up.ended);
    if (s->node_stream)
        set_mask(s->w->loop, &s->node_io, node_mask, exact || s->down.ended);
    /* every session that is not closed needs something to wake it */
    assert(client_mask || node_mask || ev_is_active(&s->deadline) || !list_empty(&s->runnable));
}
