/*
 * flow.c - move the bytes of one direction between two open streams.
 *
 * Knows nothing of MQTT, TLS or WebSocket. Reads the sender only while nothing waits for
 * the receiver, so a slow reader slows its own sender and nobody else.
 *
 *    sender --read--> scratch --write--> receiver
 *                        |                  ^
 *                        +--> waiting ------+   only what the receiver did not take
 */
#include "flow.h"

#include <assert.h>
#include <ev.h>
#include <string.h>

uint8_t flow_wait_mask(enum stream_result want)
{
    assert(want == STREAM_WANT_READ || want == STREAM_WANT_WRITE);
    return want == STREAM_WANT_READ ? EV_READ : EV_WRITE;
}

static bool is_want(enum stream_result r)
{
    return r == STREAM_WANT_READ || r == STREAM_WANT_WRITE;
}

void flow_release(struct flow *f, struct pool *pool)
{
    pool_put(pool, f->waiting);
    f->waiting = NULL;
    f->at = f->n = 0;
}

/* Write what waits. OK: all of it is gone; WANT_*: some is left; ERR: the receiver is dead. */
static enum stream_result drain(struct flow *f, struct stream *to, struct pool *pool)
{
    while (f->n > 0) {
        size_t put = 0;
        enum stream_result r = stream_write(to, f->waiting + f->at, f->n, &put);
        if (r != STREAM_OK)
            return r;
        f->at += (uint32_t)put;
        f->n -= (uint32_t)put;
    }
    flow_release(f, pool);
    return STREAM_OK;
}

enum flow_result flow_forward(struct flow *f, struct stream *to, size_t n,
                              const struct flow_room *room)
{
    size_t put = 0;
    enum stream_result r = stream_write(to, room->scratch, n, &put);
    if (r == STREAM_ERR)
        return FLOW_WRITE_ERROR;
    if (r != STREAM_OK)
        put = 0;
    if (put == n)
        return FLOW_WAIT;
    f->waiting = pool_get(room->pool);
    if (!f->waiting)
        return FLOW_NO_MEMORY;
    memcpy(f->waiting, room->scratch + put, n - put);
    f->at = 0;
    f->n = (uint32_t)(n - put);
    return FLOW_WAIT;
}

static enum flow_result pump_closing(struct flow *f, struct stream *to)
{
    enum stream_result r = stream_close_write(to);
    if (is_want(r)) {
        f->write_wait = flow_wait_mask(r);
        return FLOW_WAIT;
    }
    f->closed = true;
    return r == STREAM_OK ? FLOW_WAIT : FLOW_WRITE_ERROR;
}

enum flow_result flow_pump(struct flow *f, struct stream *from, struct stream *to,
                           const struct flow_room *room)
{
    f->due = false;
    f->read_wait = f->write_wait = 0;
    if (f->closed)
        return FLOW_WAIT;
    for (int round = 0; round < FLOW_ROUNDS_MAX; round++) {
        enum stream_result r = drain(f, to, room->pool);
        if (is_want(r)) {
            f->write_wait = flow_wait_mask(r);
            return FLOW_WAIT;
        }
        if (r != STREAM_OK)
            return FLOW_WRITE_ERROR;
        if (f->ended)
            return pump_closing(f, to);

        size_t got = 0;
        r = stream_read(from, room->scratch, room->pool->size, &got);
        if (is_want(r)) {
            f->read_wait = flow_wait_mask(r);
            return FLOW_WAIT;
        }
        if (r == STREAM_ERR)
            return FLOW_READ_ERROR;
        if (r == STREAM_EOF) {
            f->ended = true;
            continue;
        }
        f->bytes += got;
        enum flow_result forwarded = flow_forward(f, to, got, room);
        if (forwarded != FLOW_WAIT)
            return forwarded;
    }
    f->due = true;
    return FLOW_YIELD;
}
