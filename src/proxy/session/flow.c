/*
 * flow.c - move the bytes of one direction between two open streams.
 *
 * Knows nothing about MQTT, TLS or WebSocket. Reads the sender only while nothing waits for the
 * receiver, so a slow receiver slows down only its own sender.
 *
 *    sender --read--> scratch --write--> receiver
 *                        |                  ^
 *                        +--> waiting ------+   only what the receiver did not accept
 *
 * Bulk between two sockets goes through a pipe instead of the scratch block.
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

/*
 * Write the waiting bytes. Returns OK if all were written, WANT_* if some are left, ERR if the
 * receiver's stream has failed.
 */
static enum stream_result drain(struct flow *f, struct stream *to, struct pool *pool)
{
    if (!f->waiting)
        return STREAM_OK; /* true for nearly every message */
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

/* Store n bytes that the receiver did not accept. */
static enum flow_result keep(struct flow *f, const uint8_t *p, size_t n,
                             const struct flow_room *room)
{
    f->waiting = pool_get(room->pool);
    if (!f->waiting)
        return FLOW_NO_MEMORY;
    memcpy(f->waiting, p, n);
    f->at = 0;
    f->n = (uint32_t)n;
    return FLOW_WAIT;
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
    return put == n ? FLOW_WAIT : keep(f, room->scratch + put, n - put, room);
}

/* Do the same for n bytes in the pipe, which is always empty afterwards. */
static enum flow_result forward_piped(struct flow *f, struct stream *to, size_t n,
                                      const struct flow_room *room)
{
    size_t put = 0;
    enum stream_result r = stream_write_from_pipe(to, room->pipe->out, n, &put);
    if (r != STREAM_OK)
        put = 0;
    if (put == n)
        return FLOW_WAIT;
    if (!splice_read_back(room->pipe, room->scratch, n - put) || r == STREAM_ERR)
        return FLOW_WRITE_ERROR;
    return keep(f, room->scratch, n - put, room);
}

/* Return true if the flow is bulk data and can be spliced. */
static bool goes_by_pipe(const struct flow *f, const struct stream *from, const struct stream *to,
                         const struct flow_room *room)
{
    return f->full_reads == FLOW_BULK_READS && !f->discards && splice_is_open(room->pipe) &&
           stream_can_splice(from, to);
}

/*
 * Read into the pipe or the scratch block, and count full reads to detect bulk data. A pipe holds
 * segments, not bytes, and can be full with less than a block, so half a block counts as full.
 */
static enum stream_result receive(struct flow *f, struct stream *from, bool piped,
                                  const struct flow_room *room, size_t *got)
{
    const size_t block = room->pool->size, most = piped ? size_min(block, SPLICE_BYTES_MAX) : block;
    enum stream_result r = piped ? stream_read_to_pipe(from, room->pipe->in, most, got)
                                 : stream_read(from, room->scratch, most, got);
    if (r != STREAM_OK || *got < (piped ? most / 2 : most))
        f->full_reads = 0;
    else if (f->full_reads < FLOW_BULK_READS)
        f->full_reads++;
    return r;
}

void flow_discard(struct flow *f, struct pool *pool)
{
    flow_release(f, pool);
    f->discards = f->due = true;
}

/* Forward the end of the stream to the receiver, unless its stream has failed. */
static enum flow_result pump_closing(struct flow *f, struct stream *to)
{
    enum stream_result r = f->discards ? STREAM_OK : stream_close_write(to);
    if (is_want(r)) {
        f->write_wait = flow_wait_mask(r);
        return FLOW_WAIT;
    }
    f->closed = true;
    return r == STREAM_OK ? FLOW_WAIT : FLOW_WRITE_ERROR;
}

/*
 * Read and forward one block. Returns FLOW_YIELD if there may be more, FLOW_WAIT if there is none.
 */
static enum flow_result pump_block(struct flow *f, struct stream *from, struct stream *to,
                                   const struct flow_room *room)
{
    size_t got = 0;
    const bool piped = goes_by_pipe(f, from, to, room);
    enum stream_result r = receive(f, from, piped, room, &got);
    if (is_want(r)) {
        f->read_wait = flow_wait_mask(r);
        return FLOW_WAIT;
    }
    f->ended = r != STREAM_OK;
    if (f->ended)
        return r == STREAM_EOF ? FLOW_YIELD : FLOW_READ_ERROR;
    if (f->discards)
        return FLOW_YIELD;
    f->bytes += got;
    enum flow_result forwarded =
        piped ? forward_piped(f, to, got, room) : flow_forward(f, to, got, room);
    return forwarded == FLOW_WAIT ? FLOW_YIELD : forwarded;
}

/* Write the waiting bytes, then forward one block or the end. Returns the same as flow_pump(). */
static enum flow_result pump_step(struct flow *f, struct stream *from, struct stream *to,
                                  const struct flow_room *room)
{
    enum stream_result r = drain(f, to, room->pool);
    if (is_want(r)) {
        f->write_wait = flow_wait_mask(r);
        return FLOW_WAIT;
    }
    if (r != STREAM_OK)
        return FLOW_WRITE_ERROR;
    return f->ended ? pump_closing(f, to) : pump_block(f, from, to, room);
}

enum flow_result flow_pump(struct flow *f, struct stream *from, struct stream *to,
                           const struct flow_room *room)
{
    enum flow_result r = FLOW_YIELD;
    f->due = false;
    f->read_wait = f->write_wait = 0;
    if (f->closed)
        return FLOW_WAIT;
    for (int round = 0; r == FLOW_YIELD && round < FLOW_ROUNDS_MAX; round++) {
        r = pump_step(f, from, to, room);
        if (f->ended)
            break; /* the next call forwards the end */
    }
    if (r == FLOW_WRITE_ERROR)
        flow_discard(f, room->pool);
    f->due = r == FLOW_YIELD || r == FLOW_READ_ERROR || r == FLOW_WRITE_ERROR;
    return r;
}
