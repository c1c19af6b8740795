/*
 * stage_relay.c - both legs are open: pass bytes, opaquely, until both sides have ended.
 *
 *    CONNACK   the node has not spoken yet: CONNECT is kept, and a CONNACK of ours could still
 *              be said; what the client sends on goes to the node all the same
 *    RELAY     the node has spoken: every byte is theirs, only the idle time is ours
 */
#include <ev.h>
#include <string.h>

#include "access_log.h"
#include "session.h"
#include "wire/mqtt_connack.h"
#include "worker.h"

/* A CONNACK with more in it is not looked at: it would be properties for the device alone. */
#define CONNACK_LOOK_MAX 4096u

/* keep alive 0: no PINGREQ is due, so only a very long silence counts as gone */
#define IDLE_WITHOUT_KEEP_ALIVE_MS 7200000.0

/*
 * How long both sides may be silent. "auto": the broker gives a device 1.5 x its keep alive
 * [MQTT-3.1.2-22]; 30 s more leaves that verdict, and its will message, to the broker. A 5.0
 * broker may have told the device to use another keep alive [MQTT-3.2.2-21].
 */
static double idle_limit_ms(const struct session *s)
{
    const struct timeouts_conf *timeouts = &s->w->snapshot->config->timeouts;
    uint16_t keep_alive_s =
        s->connack.has_server_keep_alive ? s->connack.server_keep_alive_s : s->connect.keep_alive_s;
    if (s->half_closed)
        return timeouts->half_closed_ms;
    if (timeouts->idle_ms > 0)
        return timeouts->idle_ms;
    if (keep_alive_s == 0)
        return IDLE_WITHOUT_KEEP_ALIVE_MS;
    return keep_alive_s * 1500.0 + 30000.0;
}

static bool failed(enum flow_result r)
{
    return r != FLOW_WAIT && r != FLOW_YIELD;
}

static enum step close_for(struct session *s, enum flow_result up, enum flow_result down)
{
    if (up == FLOW_NO_MEMORY || down == FLOW_NO_MEMORY)
        return session_close(s, CLOSE_OUT_OF_MEMORY, NULL);
    if (down == FLOW_WRITE_ERROR && s->up.ended)
        return session_close(s, CLOSE_CLIENT_CLOSED, NULL); /* it had said goodbye before */
    if (up == FLOW_READ_ERROR || down == FLOW_WRITE_ERROR)
        return session_close(s, CLOSE_CLIENT_ERROR, stream_error(s->client));
    return session_close(s, s->down.bytes > 0 ? CLOSE_NODE_ERROR : CLOSE_NODE_CLOSED_EARLY,
                         stream_error(s->node_stream));
}

/* ---- CONNACK ---- */

/* The node left without a word. A client that left first did not wait for one. */
static enum step close_unanswered(struct session *s, const char *detail)
{
    return session_close(s, s->up.ended ? CLOSE_CLIENT_CLOSED : CLOSE_NODE_CLOSED_EARLY, detail);
}

/*
 * Look at n more bytes of the node's first packet, which stand in the scratch block. True when
 * there is nothing more to see: it was a whole CONNACK, or it is none that we can read.
 */
static bool look_at_connack(struct session *s, size_t n, const uint8_t *scratch)
{
    struct span packet = span_of(scratch, n);
    if (s->down.bytes == 0)
        buffer_release(&s->first); /* the CONNECT has its answer; now it keeps a cut CONNACK */
    if (s->first.mem ||
        (n < CONNACK_LOOK_MAX && scratch[0] == 0x20 &&
         mqtt_connack_read(packet, s->connect.version, &s->connack) == PARSE_MORE)) {
        if (buffer_len(&s->first) + n > CONNACK_LOOK_MAX || !buffer_reserve(&s->first, 0, n))
            return true;
        memcpy(s->first.mem + s->first.tail, scratch, n);
        buffer_grew(&s->first, n);
        packet = span_of(buffer_bytes(&s->first), buffer_len(&s->first));
    }
    enum parse_result result = mqtt_connack_read(packet, s->connect.version, &s->connack);
    s->connack_seen = result == PARSE_DONE;
    return result != PARSE_MORE;
}

/* Bytes of the node stand in the scratch block: they go on to the client whatever they are. */
static enum step node_spoke(struct session *s, size_t n, const struct flow_room *room)
{
    bool all_seen = look_at_connack(s, n, room->scratch);
    s->down.bytes += n;
    enum flow_result down = flow_forward(&s->down, s->client, n, room);
    if (failed(down))
        return close_for(s, FLOW_WAIT, down);
    s->up.due = s->down.due = true;
    if (!all_seen && s->down.n == 0)
        return YIELD; /* for the rest of it; but never at the price of reading ahead */
    buffer_release(&s->first);
    session_goto(s, SESSION_RELAY);
    access_log_placed(s);
    s->active_at = ev_now(s->w->loop);
    session_set_deadline(s, idle_limit_ms(s));
    return MOVED;
}

enum step stage_connack(struct session *s)
{
    const struct flow_room room = {.scratch = s->w->scratch, .pool = &s->w->relay_pool};
    enum flow_result up = FLOW_WAIT;
    if (s->up.due)
        up = flow_pump(&s->up, s->client, s->node_stream, &room);
    if (s->down.due || up == FLOW_WRITE_ERROR) { /* it may have said why before it left */
        size_t got = 0;
        enum stream_result r = stream_read(s->node_stream, room.scratch, room.pool->size, &got);
        s->down.due = false;
        if (r == STREAM_OK)
            return node_spoke(s, got, &room);
        if (r == STREAM_EOF || r == STREAM_ERR)
            return close_unanswered(s, r == STREAM_ERR ? stream_error(s->node_stream) : NULL);
        s->down.read_wait = flow_wait_mask(r);
    }
    if (failed(up))
        return close_for(s, up, FLOW_WAIT);
    return up == FLOW_YIELD ? YIELD : WAIT;
}

/* ---- RELAY ---- */

/*
 * One side has said that no more follows. What the other still has to say is passed on, but it
 * gets timeouts.half_closed_ms to say the next of it; and a node that has left is no longer
 * loaded with the session.
 */
static void note_first_end(struct session *s, bool client_left_first)
{
    s->half_closed = true;
    s->client_left_first = client_left_first;
    s->active_at = ev_now(s->w->loop);
    session_set_deadline(s, idle_limit_ms(s));
    if (s->down.ended)
        dial_uncount(s);
}

/* Pump the directions that something happened to. */
enum step stage_relay(struct session *s)
{
    const struct flow_room room = {.scratch = s->w->scratch, .pool = &s->w->relay_pool};
    const uint64_t bytes_before = s->up.bytes + s->down.bytes;
    enum flow_result up = FLOW_WAIT, down = FLOW_WAIT;

    if (s->up.due)
        up = flow_pump(&s->up, s->client, s->node_stream, &room);
    if (up == FLOW_WRITE_ERROR)
        s->down.due = true; /* the node may have sent its reason before it left: pass it on */
    const bool client_ended = s->up.ended;
    if (s->down.due)
        down = flow_pump(&s->down, s->node_stream, s->client, &room);
    counter_set(&s->w->counters.buffers_held, s->w->relay_pool.n_held);

    if (s->up.bytes + s->down.bytes != bytes_before)
        s->active_at = ev_now(s->w->loop);
    if (!s->half_closed && (client_ended || s->down.ended))
        note_first_end(s, client_ended);
    if (failed(up) || failed(down))
        return close_for(s, up, down);
    if (s->up.closed && s->down.closed)
        return session_close(s, s->client_left_first ? CLOSE_CLIENT_CLOSED : CLOSE_NODE_CLOSED,
                             NULL);
    return up == FLOW_YIELD || down == FLOW_YIELD ? YIELD : WAIT;
}

/*
 * The deadline is set once and looks back when it fires: traffic costs it nothing.
 */
enum step stage_relay_timed_out(struct session *s)
{
    double left_ms = idle_limit_ms(s) - (ev_now(s->w->loop) - s->active_at) * 1000.0;
    if (left_ms <= 0 && s->half_closed)
        return session_close(s, s->client_left_first ? CLOSE_CLIENT_CLOSED : CLOSE_NODE_CLOSED,
                             "the other side did not end in time");
    if (left_ms <= 0)
        return session_close(s, CLOSE_IDLE_TIMEOUT, NULL);
    session_set_deadline(s, left_ms);
    return WAIT;
}
