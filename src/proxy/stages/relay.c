/*
 * relay.c - the stage RELAY: forward bytes both ways, without parsing them, until both sides have
 * ended.
 */
#include <assert.h>
#include <ev.h>
#include <string.h>

#include "net/socket.h"
#include "proxy/session/access_log.h"
#include "proxy/session/memory.h"
#include "proxy/session/seat.h"
#include "proxy/session/settle.h"
#include "proxy/session/worker_core.h"
#include "stages.h"

/* When the TCP keepalive of the node is set, unless half of the idle limit is less. */
#define KEEPALIVE_MS 60000.0

/* keep alive 0: the client sends no PINGREQ, so only a very long silence means a dead connection */
#define IDLE_WITHOUT_KEEP_ALIVE_MS 7200000.0

/*
 * Return how long both sides may be silent. For "auto", the broker closes after 1.5 x the keep
 * alive [MQTT-3.1.2-22]; another 30 s leave that decision, and the will message, to the broker. A
 * 5.0 broker may have set a different keep alive [MQTT-3.2.2-21].
 */
static double idle_limit_ms(const struct session *s)
{
    const struct timeouts_conf *timeouts = &s->w->snapshot->config->timeouts;
    uint16_t keep_alive_s =
        s->connack.has_server_keep_alive ? s->connack.server_keep_alive_s : s->keep_alive_s;
    if (s->half_closed)
        return timeouts->half_closed_ms;
    if (timeouts->idle_ms > 0)
        return timeouts->idle_ms;
    if (keep_alive_s == 0)
        return IDLE_WITHOUT_KEEP_ALIVE_MS;
    return keep_alive_s * 1500.0 + 30000.0;
}

static void note_heard(struct session *s)
{
    s->node_active_ds = (uint32_t)(s->w->now_us / 100000u);
}

/*
 * Note a failed stream as the close reason. Not called if one side had already ended, because a
 * peer that receives bytes after its close resets the connection.
 */
static void note_fault(struct session *s, bool client)
{
    if (client)
        session_note_fault(s, CLOSE_CLIENT_ERROR, stream_error(s->client));
    else
        session_note_fault(s, CLOSE_NODE_ERROR, stream_error(s->node_stream));
}

/* Close the session after both directions have ended, or one has not ended in time. */
static enum step close_ended(struct session *s, const char *detail)
{
    if (s->failed)
        return session_close(s, s->reason, detail);
    return session_close(s, s->client_left_first ? CLOSE_CLIENT_CLOSED : CLOSE_NODE_CLOSED, detail);
}

/*
 * Pump one direction if it is due. After a stream has failed, nothing more is written to it, but
 * data that its peer sent before is still read and delivered: a client that sends PUBLISH and
 * DISCONNECT and closes may answer our next write with RST.
 */
static enum flow_result pump(struct session *s, bool up, const struct flow_room *room)
{
    struct flow *f = up ? &s->up : &s->down, *back = up ? &s->down : &s->up;
    const bool first = !s->up.ended && !s->down.ended;
    if (!f->due)
        return FLOW_WAIT;
    enum flow_result r = up ? flow_pump(f, s->client, s->node_stream, room)
                            : flow_pump(f, s->node_stream, s->client, room);
    if (r != FLOW_READ_ERROR && r != FLOW_WRITE_ERROR)
        return r;
    if (first)
        note_fault(s, up == (r == FLOW_READ_ERROR));
    if (r == FLOW_READ_ERROR) /* send nothing more to a peer that resets or violates the protocol */
        flow_discard(back, room->pool);
    back->due = true; /* a failed socket may produce no more events */
    return r;
}

/*
 * Take over the bytes of `first` that were not sent to the node yet: at most one block, because
 * each block is read after the previous one was written.
 */
static bool take_rest(struct session *s)
{
    size_t rest = buffer_len(&s->arrival->first) - s->arrival->first_sent;
    if (rest > 0) {
        assert(rest <= s->w->relay_pool.size);
        s->up.waiting = pool_get(&s->w->relay_pool);
        if (!s->up.waiting)
            return false;
        memcpy(s->up.waiting, buffer_bytes(&s->arrival->first) + s->arrival->first_sent, rest);
        s->up.at = 0;
        s->up.n = (uint32_t)rest;
    }
    buffer_release(&s->arrival->first);
    memory_note_held(s);
    return true;
}

static double ms_since(const struct session *s, uint64_t then_us)
{
    return s->w->now_us > then_us ? (double)(s->w->now_us - then_us) / 1000.0 : 0;
}

/* Milliseconds until the session is idle for too long. */
static double idle_left_ms(const struct session *s)
{
    return idle_limit_ms(s) - ms_since(s, s->active_us);
}

/* Milliseconds until keepalive is set. */
static double keepalive_due_ms(const struct session *s)
{
    const double half_ms = idle_limit_ms(s) / 2;
    return (half_ms < KEEPALIVE_MS ? half_ms : KEEPALIVE_MS) - ms_since(s, s->entered_us);
}

/* Set the deadline to what is due first; settle_ms is 0 if the streams are settled. */
static void set_deadline(struct session *s, double settle_ms)
{
    double ms = idle_left_ms(s);
    if (!s->keepalive_set && keepalive_due_ms(s) < ms)
        ms = keepalive_due_ms(s);
    if (settle_ms > 0 && settle_ms < ms)
        ms = settle_ms;
    session_set_deadline(s, ms > 1 ? ms : 1);
}

enum step stage_relay_begin(struct session *s)
{
    const bool node_is_tls = s->arrival->cluster_view->tls != NULL;
    if (!take_rest(s))
        return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
    /* CONNACK has read the client until WANT_READ, unless it could not forward the data */
    s->up.due = s->up.n > 0 || s->up.ended || !s->up.read_wait;
    s->down.due = true;
    session_goto(s, SESSION_RELAY);
    seat_settle(s);
    session_free_arrival(s);
    counter_add(&s->w->counters.bytes_up, s->up.bytes);
    counter_add(&s->w->counters.bytes_down, s->down.bytes);
    access_log_placed(s);
    note_heard(s);
    s->active_us = s->w->now_us;
    settle_begin(s, node_is_tls);
    set_deadline(s, s->tls || node_is_tls ? SETTLE_FIRST_MS : 0);
    return STEP_MOVED;
}

/*
 * Handle the first side that has ended or failed. Data from the other side is still forwarded, but
 * the session closes after timeouts.half_closed_ms without any. If the node has ended, the session
 * is no longer counted there.
 */
static void note_first_end(struct session *s, bool client_left_first)
{
    s->half_closed = true;
    s->client_left_first = client_left_first;
    s->active_us = s->w->now_us;
    session_set_deadline(s, idle_limit_ms(s));
    if (s->down.ended || s->up.discards)
        seat_leave(s);
}

/* Return true if a side has ended or failed. */
static bool has_end(const struct session *s)
{
    return s->up.ended || s->down.ended || s->up.discards || s->down.discards;
}

/* Pump the directions that are due. */
enum step stage_relay(struct session *s)
{
    const struct flow_room room = {
        .scratch = s->w->scratch, .pool = &s->w->relay_pool, .pipe = &s->w->relay_pipe};
    const uint64_t up_before = s->up.bytes, down_before = s->down.bytes;
    const bool waited = s->up.waiting || s->down.waiting;

    enum flow_result up = pump(s, true, &room);
    const bool client_ended = s->up.ended;
    enum flow_result down = pump(s, false, &room);
    const bool up_moved = s->up.bytes != up_before, down_moved = s->down.bytes != down_before;
    if (waited || s->up.waiting || s->down.waiting)
        memory_note_waiting(s, (up_moved || !s->up.waiting) && (down_moved || !s->down.waiting));

    if (down_moved)
        note_heard(s);
    if (up_moved || down_moved) {
        s->active_us = s->w->now_us;
        counter_add(&s->w->counters.bytes_up, s->up.bytes - up_before);
        counter_add(&s->w->counters.bytes_down, s->down.bytes - down_before);
    }
    if (up == FLOW_NO_MEMORY || down == FLOW_NO_MEMORY)
        return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
    if (!s->half_closed && has_end(s))
        note_first_end(s, client_ended || s->down.discards);
    if (s->down.closed && (s->up.closed || s->up.discards))
        return close_ended(s, NULL);
    return s->up.due || s->down.due ? STEP_YIELD : STEP_WAIT;
}

/*
 * The deadline is seldom moved and checks the last activity when it fires: traffic costs nothing.
 * On the way it settles the session's streams, and sets TCP keepalive on the node's socket: four
 * system calls. Short sessions pay for neither.
 */
enum step stage_relay_timed_out(struct session *s)
{
    if (!s->keepalive_set && keepalive_due_ms(s) <= 0) {
        if (s->node_stream)
            socket_keep_alive(s->node_io.fd);
        s->keepalive_set = true;
    }
    const double left_ms = idle_left_ms(s);
    if (left_ms <= 0 && s->half_closed)
        return close_ended(s, "the other side did not close in time");
    if (left_ms <= 0)
        return session_close(s, CLOSE_IDLE_TIMEOUT, NULL);
    set_deadline(s, settle(s));
    return STEP_WAIT;
}
