/*
 * closing.c - close a client's connection gracefully, within timeouts.farewell_ms.
 *
 * Write the waiting data and our own refusal, shut down the write side, then read and discard until
 * the client closes. Closing immediately would lose data: if input is unread, the kernel sends RST,
 * and the client discards a CONNACK that it has not read yet.
 */
#include <ev.h>

#include "proxy/session/worker_core.h"
#include "stages.h"

/* Blocks discarded before other sessions run. */
#define DISCARD_ROUNDS_MAX 4

/* Return OK when everything is written and the write side is closed. */
static enum stream_result say(struct session *s)
{
    struct flow *down = &s->down;
    enum stream_result r = STREAM_OK;
    size_t put = 0;
    for (; r == STREAM_OK && down->n > 0; down->at += (uint32_t)put, down->n -= (uint32_t)put)
        if ((r = stream_write(s->client, down->waiting + down->at, down->n, &put)) != STREAM_OK)
            return r;
    struct arrival *a = s->arrival; /* null if it was relayed, so there is no refusal */
    for (; a && a->refusal_sent < a->refusal_n; a->refusal_sent += (uint8_t)put) {
        r = stream_write(s->client, a->refusal + a->refusal_sent,
                         (size_t)a->refusal_n - a->refusal_sent, &put);
        if (r != STREAM_OK)
            return r;
    }
    return stream_close_write(s->client);
}

static enum step discard(struct session *s)
{
    for (int round = 0; round < DISCARD_ROUNDS_MAX; round++) {
        size_t got = 0;
        enum stream_result r = stream_read(s->client, s->w->scratch, s->w->relay_pool.size, &got);
        if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
            s->up.read_wait = flow_wait_mask(r);
            return STEP_WAIT;
        }
        if (r != STREAM_OK) {
            session_goto(s, SESSION_CLOSED);
            return STEP_MOVED;
        }
    }
    return STEP_YIELD;
}

enum step stage_closing(struct session *s)
{
    s->up.read_wait = s->down.write_wait = 0;
    if (!s->write_closed) {
        enum stream_result r = say(s);
        if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
            s->down.write_wait = flow_wait_mask(r);
            return STEP_WAIT;
        }
        if (r != STREAM_OK) {
            session_goto(s, SESSION_CLOSED);
            return STEP_MOVED;
        }
        s->write_closed = true;
    }
    return discard(s);
}
