/*
 * stream.c - the WebSocket stream: MQTT bytes in binary frames.
 *
 * Frames are written to the inner stream one after another, each in one or more pieces. At most one
 * frame is partly sent: a data frame (`out`) or the queued control frame (`control`). Control
 * frames are sent between data frames.
 *
 * Data frames are written without wslay: their header has only two or four bytes, a wslay context
 * takes 4 KiB, and a blocked write must be repeated with the same bytes.
 */
#include "net/ws/stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/slab.h"
#include "internal.h"

/* Bytes without payload that one read() consumes before other sessions get a turn. */
#define EMPTY_BYTES_MAX 65536u

_Static_assert(sizeof(struct stream_ws) <= 512, "every WebSocket session has one");

static struct stream_ws *ws_of(struct stream *st)
{
    return CONTAINER_OF(st, struct stream_ws, stream);
}

/* Has the upgrade succeeded? */
static bool has_frames(const struct stream_ws *ws)
{
    return ws->state == WS_OPEN || ws->state == WS_ENDED || ws->state == WS_FAILED;
}

/* Reading */

/* The result of read() after the last payload byte. */
static enum stream_result end_of_reading(const struct stream_ws *ws)
{
    return ws->state == WS_ENDED ? STREAM_EOF : STREAM_ERR;
}

/* Read up to n bytes of frames, starting with those received with the request. */
static enum stream_result read_frames(struct stream_ws *ws, uint8_t *p, size_t n, size_t *got)
{
    if (ws_read_after_request(ws, p, n, got))
        return STREAM_OK;
    enum stream_result r = ws_inner_read(ws, p, n, got);
    if (r == STREAM_EOF) {
        ws->state = WS_ENDED;
        ws->close_code_received = WS_CLOSE_ABNORMAL;
        ws_frames_free(ws);
    }
    return r;
}

/*
 * Returns WANT_WRITE to be called again: to send a pong, or to give other sessions a turn first
 * (the socket is normally writable).
 */
static enum stream_result read_payload(struct stream_ws *ws, uint8_t *p, size_t n, size_t *got)
{
    for (size_t empty_n = 0; empty_n < EMPTY_BYTES_MAX;) {
        size_t raw_n = 0;
        enum stream_result r = read_frames(ws, p, n, &raw_n);
        if (r != STREAM_OK)
            return r;
        size_t payload_n = ws_deframe(ws, p, raw_n);
        r = ws_flush_control(ws);
        if (payload_n > 0) {
            *got = payload_n;
            return STREAM_OK; /* the next call first retries an unsent pong */
        }
        if (ws->state != WS_OPEN)
            return end_of_reading(ws);
        if (r != STREAM_OK)
            return r;
        empty_n += raw_n;
    }
    return STREAM_WANT_WRITE;
}

/* Read and discard bytes from the client. */
static enum stream_result discard(struct stream_ws *ws, uint8_t *p, size_t n)
{
    for (size_t empty_n = 0; empty_n < EMPTY_BYTES_MAX && !ws->inner_ended;) {
        size_t got = 0;
        enum stream_result r = ws_inner_read(ws, p, n, &got);
        if (r != STREAM_OK)
            return r;
        empty_n += got;
    }
    return ws->inner_ended ? STREAM_EOF : STREAM_WANT_WRITE;
}

static enum stream_result ws_read(struct stream *st, void *p, size_t n, size_t *got)
{
    struct stream_ws *ws = ws_of(st);
    assert(n > 0);
    if (ws->dead || ws->state == WS_OPENING || (ws->write_dead && !has_frames(ws)))
        return STREAM_ERR;
    if (ws->state != WS_OPEN)
        return ws->write_closed ? discard(ws, p, n) : end_of_reading(ws);
    enum stream_result r = ws_flush_control(ws);
    return r == STREAM_OK ? read_payload(ws, p, n, got) : r;
}

/* Writing */

static enum stream_result ws_write(struct stream *st, const void *p, size_t n, size_t *put)
{
    struct stream_ws *ws = ws_of(st);
    size_t payload_n = 0;
    assert(n > 0 && !ws->write_closed);
    if (ws->dead || ws->write_dead)
        return STREAM_ERR;
    if (!ws_frame_is_unfinished(ws)) {
        enum stream_result r = ws_flush_control(ws);
        if (ws->write_dead)
            return STREAM_ERR;
        if (r != STREAM_OK)
            return r;
        if (!has_frames(ws) || ws->close_code_sent != 0) { /* RFC 6455 section 5.5.1 */
            *put = n;
            return STREAM_OK;
        }
        ws_begin_data_frame(ws, n);
    }
    while (payload_n == 0) {
        enum stream_result r = ws_write_frame(ws, p, size_min(n, ws->out.owed), &payload_n);
        if (r != STREAM_OK)
            return r;
    }
    *put = payload_n;
    (void)ws_flush_control(ws); /* the next call returns its error */
    return STREAM_OK;
}

static enum stream_result ws_close_write(struct stream *st)
{
    struct stream_ws *ws = ws_of(st);
    const bool has_frames = ws->state == WS_OPEN || ws->state == WS_ENDED || ws->state == WS_FAILED;
    if (has_frames && !ws->dead && !ws->write_dead && !ws->write_closed &&
        !ws_frame_is_unfinished(ws)) {
        enum stream_result r = ws_flush_control(ws);
        if (r != STREAM_OK)
            return r;
        ws_queue_close(ws, ws->close_code);
        if ((r = ws_flush_control(ws)) != STREAM_OK)
            return r;
        if (ws->write_dead)
            return STREAM_ERR;
    }
    enum stream_result r = stream_close_write(ws->inner);
    ws->write_closed |= r == STREAM_OK;
    return r;
}

/* Opening, freeing and facts */

static enum stream_result ws_open(struct stream *st)
{
    struct stream_ws *ws = ws_of(st);
    if (ws->dead || ws->write_dead || ws->state == WS_REFUSED)
        return STREAM_ERR;
    return ws_upgrade_step(ws);
}

static enum stream_settled ws_settle(struct stream **st)
{
    return stream_settle(&ws_of(*st)->inner);
}

static void ws_free(struct stream *st)
{
    struct stream_ws *ws = ws_of(st);
    stream_free(ws->inner);
    ws_handshake_free(ws);
    ws_frames_free(ws);
    free(ws->forwarded);
    slab_free(ws, sizeof(*ws));
}

static const char *ws_error(const struct stream *st)
{
    const struct stream_ws *ws = CONTAINER_OF(st, const struct stream_ws, stream);
    return ws->fault ? ws->fault : stream_error(ws->inner);
}

static const struct stream_ops ws_ops = {.open = ws_open,
                                         .read = ws_read,
                                         .write = ws_write,
                                         .close_write = ws_close_write,
                                         .settle = ws_settle,
                                         .free = ws_free,
                                         .error = ws_error};

struct stream *stream_ws_accept(struct stream *inner, const struct stream_ws_conf *conf)
{
    struct stream_ws *ws = slab_alloc(sizeof(*ws));
    struct ws_handshake *hs = malloc(sizeof(*hs));
    if (!ws || !hs) {
        free(hs);
        slab_free(ws, sizeof(*ws));
        stream_free(inner);
        return NULL;
    }
    *hs = (struct ws_handshake){.head = NULL};
    ws_upgrade_init(&hs->upgrade, &conf->upgrade);
    *ws = (struct stream_ws){
        .stream = {.ops = &ws_ops}, .inner = inner, .handshake = hs, .close_code = WS_CLOSE_NORMAL};
    return &ws->stream;
}

void stream_ws_facts(const struct stream *st, struct ws_facts *out)
{
    assert(st->ops == &ws_ops);
    const struct stream_ws *ws = CONTAINER_OF(st, const struct stream_ws, stream);
    *out = (struct ws_facts){.subprotocol = ws->subprotocol,
                             .forwarded = span_of(ws->forwarded, ws->forwarded_n),
                             .status = ws->status,
                             .received_data = ws->received_data,
                             .closed_before_response = ws->status == 0 && ws->inner_ended,
                             .failed_before_response = ws->status == 0 && ws->dead,
                             .plain_http = ws->plain_http,
                             .close_code_received = ws->close_code_received,
                             .close_code_sent = ws->close_code_sent};
}

struct stream *stream_ws_inner(struct stream *st)
{
    assert(st->ops == &ws_ops);
    return ws_of(st)->inner;
}

void stream_ws_set_close_code(struct stream *st, unsigned code)
{
    assert(st->ops == &ws_ops && code >= 1000 && code <= 4999);
    ws_of(st)->close_code = (uint16_t)code;
}
