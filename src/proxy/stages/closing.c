/*
 * closing.c - part from a client in order, within timeouts.farewell_ms.
 *
 * Write what still waits for it and our own last words, close the writing side, then read
 * and discard until it closes too. Closing at once would not do: a close with unread input
 * makes the kernel send RST, and the client's system throws away the CONNACK it had queued.
 */
#include <ev.h>

#include "proxy/session/worker_core.h"
#include "stages.h"

/* Blocks discarded before others get a turn. */
#define DISCARD_ROUNDS_MAX 4

/* OK when the client has taken everything and knows that no more follows. */
static enum stream_result say(struct session *s)
{
    struct flow *down = &s->down;
    enum stream_result r = STREAM_OK;
    size_t put = 0;
    for (; r == STREAM_OK && down->n > 0; down->at += (uint32_t)put, down->n -= (uint32_t)put)
        if ((r = stream_write(s->client, down->waiting + down->at, down->n, &put)) != STREAM_OK)
            return r;
    struct arrival *a = s->arrival; /* null once it was relayed: the node has had its say */
    for (; a && a->farewell_sent < a->farewell_n; a->farewell_sent += (uint8_t)put) {
        r = stream_write(s->client, a->farewell + a->farewell_sent,
                         (size_t)a->farewell_n - a->farewell_sent, &put);
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
            return WAIT;
        }
        if (r != STREAM_OK) {
            session_goto(s, SESSION_CLOSED);
            return MOVED;
        }
    }
    return YIELD;
}

enum step stage_farewell(struct session *s)
{
    s->up.read_wait = s->down.write_wait = 0;
    if (!s->said) {
        enum stream_result r = say(s);
        if (r == STREAM_WANT_READ || r == STREAM_WANT_WRITE) {
            s->down.write_wait = flow_wait_mask(r);
            return WAIT;
        }
        if (r != STREAM_OK) {
            session_goto(s, SESSION_CLOSED);
            return MOVED;
        }
        s->said = true;
    }
    return discard(s);
}
