/*
 * stage_relay.c - both legs are open: pass bytes, opaquely, until both sides have ended.
 *
 *    CONNACK   the node has not spoken yet: CONNECT is kept, and a CONNACK of ours could still
 *              be said; what the client sends on goes to the node all the same
 *    RELAY     the node has spoken: every byte is theirs, only the idle time is ours
 */
#include <ev.h>

#include "session.h"
#include "wire/mqtt_connack.h"
#include "worker.h"

/* keep alive 0: no PINGREQ is due, so only a very long silence counts as gone */
#define IDLE_WITHOUT_KEEP_ALIVE_MS 7200000.0

/*
 * How long both sides may be silent. "auto": the broker gives a device 1.5 x its keep alive
 * [MQTT-3.1.2-22]; 30 s more leaves that verdict, and its will message, to the broker. A 5.0
 * broker may have told the device to use another keep alive [MQTT-3.2.2-21].
 */
static double idle_limit_ms(const struct session *s)
{
    uint32_t fixed_ms = s->w->snapshot->config->timeouts.idle_ms;
    uint16_t keep_alive_s =
        s->connack.has_server_keep_alive ? s->connack.server_keep_alive_s : s->connect.keep_alive_s;
    if (fixed_ms > 0)
        return fixed_ms;
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
    if (up == FLOW_READ_ERROR || down == FLOW_WRITE_ERROR)
        return session_close(s, CLOSE_CLIENT_ERROR, stream_error(s->client));
    return session_close(s, s->down.bytes > 0 ? CLOSE_NODE_ERROR : CLOSE_NODE_CLOSED_EARLY,
                         stream_error(s->node_stream));
}

/* The node left without a word. A client that left first did not wait for one. */
static enum step close_unanswered(struct session *s, const char *detail)
{
    return session_close(s, s->up.ended ? CLOSE_CLIENT_CLOSED : CLOSE_NODE_CLOSED_EARLY, detail);
}

/* The first n bytes of the node stand in the scratch block: from here on all is opaque. */
static enum step node_spoke(struct session *s, size_t n, const struct flow_room *room)
{
    s->down.bytes = n;
    s->connack_seen =
        mqtt_connack_read(span_of(room->scratch, n), s->connect.version, &s->connack) == PARSE_DONE;
    buffer_release(&s->first);
    session_goto(s, SESSION_RELAY);
    s->active_at = ev_now(s->w->loop);
    session_set_deadline(s, idle_limit_ms(s));
    enum flow_result down = flow_forward(&s->down, s->client, n, room);
    if (failed(down))
        return close_for(s, FLOW_WAIT, down);
    s->up.due = s->down.due = true;
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

static void note_first_end(struct session *s, bool up_had_ended, bool down_had_ended)
{
    if (s->up.ended && !up_had_ended && !down_had_ended)
        s->client_left_first = true;
}

/* Pump the directions that something happened to. */
enum step stage_relay(struct session *s)
{
    const struct flow_room room = {.scratch = s->w->scratch, .pool = &s->w->relay_pool};
    const bool up_had_ended = s->up.ended, down_had_ended = s->down.ended;
    const uint64_t bytes_before = s->up.bytes + s->down.bytes;
    enum flow_result up = FLOW_WAIT, down = FLOW_WAIT;

    if (s->up.due)
        up = flow_pump(&s->up, s->client, s->node_stream, &room);
    if (up == FLOW_WRITE_ERROR)
        s->down.due = true; /* the node may have sent its reason before it left: pass it on */
    note_first_end(s, up_had_ended, down_had_ended);
    if (s->down.due)
        down = flow_pump(&s->down, s->node_stream, s->client, &room);
    counter_set(&s->w->counters.buffers_held, s->w->relay_pool.n_held);

    if (s->up.bytes + s->down.bytes != bytes_before)
        s->active_at = ev_now(s->w->loop);
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
    if (left_ms <= 0)
        return session_close(s, CLOSE_IDLE_TIMEOUT, NULL);
    session_set_deadline(s, left_ms);
    return WAIT;
}
