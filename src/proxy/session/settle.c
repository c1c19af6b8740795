/*
 * settle.c - when the TLS connections of relayed sessions are detached from OpenSSL.
 *
 *    RELAY begins --1 s--> try --+--> detached
 *                           ^    +--> never: disabled, or the suite does not allow it
 *                           |    |
 *                           +----+    busy: again when it has been relayed for twice as long
 */
#include "settle.h"

#include <assert.h>

#include "net/ws/stream.h"
#include "proxy/listener.h"
#include "session.h"
#include "worker_core.h"

#define RETRY_MAX_MS 60000.0

/*
 * In one turn of the loop. One takes about 10 us; more would delay the messages of others after a
 * storm of handshakes.
 */
#define PER_TURN_MAX 32u
#define NEXT_TURN_MS 1.0

/* After so many, give memory back to the system. */
#define TRIM_SETTLED 16u

static double relayed_ms(const struct session *s)
{
    return (double)(s->w->now_us - s->entered_us) / 1000.0;
}

static void set_hold(struct session *s, enum tls_side side, enum tls_hold hold)
{
    counter *holds = s->w->counters.tls_holds[side];
    if (s->tls_holds[side] != TLS_HOLD_NONE)
        counter_sub(&holds[s->tls_holds[side]], 1);
    if (hold != TLS_HOLD_NONE)
        counter_add(&holds[hold], 1);
    s->tls_holds[side] = (uint8_t)hold;
}

void settle_begin(struct session *s, bool node_is_tls)
{
    set_hold(s, TLS_SIDE_CLIENT, s->tls ? TLS_HOLD_NEW : TLS_HOLD_NONE);
    set_hold(s, TLS_SIDE_NODE, node_is_tls ? TLS_HOLD_NEW : TLS_HOLD_NONE);
}

void settle_end(struct session *s)
{
    set_hold(s, TLS_SIDE_CLIENT, TLS_HOLD_NONE);
    set_hold(s, TLS_SIDE_NODE, TLS_HOLD_NONE);
}

static bool is_due(uint8_t hold)
{
    return hold == TLS_HOLD_NEW || hold == TLS_HOLD_BUSY || hold == TLS_HOLD_NO_MEMORY;
}

/* Each has freed 15 to 30 KiB, which can go back to the system. */
static void note_settled(struct worker_core *w)
{
    if (++w->settled_n % TRIM_SETTLED == 0)
        w->shared->freed_memory(w->shared->arg);
}

static enum tls_hold settle_side(struct session *s, enum tls_side side)
{
    static const enum tls_hold holds[] = {[STREAM_SETTLED] = TLS_HOLD_DETACHED,
                                          [STREAM_SETTLE_BUSY] = TLS_HOLD_BUSY,
                                          [STREAM_SETTLE_DISABLED] = TLS_HOLD_DISABLED,
                                          [STREAM_SETTLE_UNSUPPORTED] = TLS_HOLD_UNSUPPORTED,
                                          [STREAM_SETTLE_FAILED] = TLS_HOLD_NO_MEMORY};
    enum stream_settled settled =
        stream_settle(side == TLS_SIDE_CLIENT ? &s->client : &s->node_stream);
    if (side == TLS_SIDE_CLIENT)
        s->tls = s->tag->websocket ? stream_ws_inner(s->client) : s->client;
    if (settled == STREAM_SETTLED)
        note_settled(s->w);
    return holds[settled];
}

/* May another connection be settled in this turn of the loop? */
static bool take_place(struct worker_core *w)
{
    if (w->settle_turn_us != w->now_us) {
        w->settle_turn_us = w->now_us;
        w->settles_left = PER_TURN_MAX;
    }
    if (w->settles_left == 0)
        return false;
    w->settles_left--;
    return true;
}

double settle(struct session *s)
{
    double next_ms = 0;
    assert(s->state == SESSION_RELAY);
    for (enum tls_side side = 0; side < TLS_SIDE_COUNT; side++) {
        if (!is_due(s->tls_holds[side]) || s->half_closed)
            continue;
        if (relayed_ms(s) < SETTLE_FIRST_MS)
            return SETTLE_FIRST_MS - relayed_ms(s);
        if (!take_place(s->w))
            return NEXT_TURN_MS;
        set_hold(s, side, settle_side(s, side));
        if (is_due(s->tls_holds[side]))
            next_ms = relayed_ms(s) < RETRY_MAX_MS ? relayed_ms(s) : RETRY_MAX_MS;
    }
    return next_ms;
}
