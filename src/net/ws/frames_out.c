/*
 * frames_out.c - write frames to the client, and wrap the calls to the inner stream. Data frames
 * are encoded here, not by wslay; one control frame can be queued behind an unfinished data frame.
 */
#include <assert.h>
#include <string.h>

#include "internal.h"

#define FIN_BINARY 0x82u
#define FIN_CLOSE  0x88u
#define FIN_PONG   0x8au

enum stream_result ws_inner_read(struct stream_ws *ws, void *p, size_t n, size_t *got)
{
    enum stream_result r = stream_read(ws->inner, p, n, got);
    ws->dead |= r == STREAM_ERR;
    ws->inner_ended |= r == STREAM_EOF;
    ws->received_data |= r == STREAM_OK;
    return r;
}

enum stream_result ws_inner_write(struct stream_ws *ws, const void *p, size_t n, size_t *put)
{
    enum stream_result r = stream_write(ws->inner, p, n, put);
    ws->write_dead |= r == STREAM_ERR;
    return r;
}

static void queue_control(struct stream_ws *ws, unsigned first_byte, struct span payload)
{
    struct ws_control_out *control = &ws->control;
    assert(!control->tried && payload.n <= WS_CONTROL_PAYLOAD_MAX);
    control->bytes[0] = (uint8_t)first_byte;
    control->bytes[1] = (uint8_t)payload.n;
    if (payload.n > 0)
        memcpy(control->bytes + 2, payload.p, payload.n);
    control->n = (uint8_t)(2 + payload.n);
    control->at = 0;
}

void ws_queue_pong(struct stream_ws *ws, struct span payload)
{
    if (ws->close_code_sent == 0 && !ws->write_closed)
        queue_control(ws, FIN_PONG, payload);
}

void ws_queue_close(struct stream_ws *ws, unsigned code)
{
    if (ws->close_code_sent != 0 || ws->write_closed)
        return;
    const uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    ws->close_code_sent = (uint16_t)code;
    queue_control(ws, FIN_CLOSE, span_of(payload, sizeof(payload)));
}

bool ws_frame_is_unfinished(const struct stream_ws *ws)
{
    return ws->out.owed > 0;
}

enum stream_result ws_flush_control(struct stream_ws *ws)
{
    struct ws_control_out *control = &ws->control;
    if (control->n == 0 || ws->write_closed || ws->write_dead)
        return STREAM_OK;
    if (ws_frame_is_unfinished(ws))
        return STREAM_WANT_WRITE;
    while (control->at < control->n) {
        size_t put = 0;
        control->tried = true;
        enum stream_result r = ws_inner_write(ws, control->bytes + control->at,
                                              (size_t)control->n - control->at, &put);
        if (r == STREAM_ERR)
            break; /* write failed: drop the frame */
        if (r != STREAM_OK)
            return r;
        control->at = (uint8_t)(control->at + put);
    }
    control->n = control->at = 0;
    control->tried = false;
    return STREAM_OK;
}

void ws_begin_data_frame(struct stream_ws *ws, size_t n)
{
    struct ws_frame_out *out = &ws->out;
    out->owed = (uint16_t)size_min(n, WS_FRAME_PAYLOAD_MAX);
    out->header[0] = FIN_BINARY;
    out->header_at = 0;
    if (out->owed < 126) {
        out->header[1] = (uint8_t)out->owed;
        out->header_n = 2;
        return;
    }
    out->header[1] = 126;
    out->header[2] = (uint8_t)(out->owed >> 8);
    out->header[3] = (uint8_t)out->owed;
    out->header_n = 4;
}

enum stream_result ws_write_frame(struct stream_ws *ws, const uint8_t *p, size_t n, size_t *put)
{
    struct ws_frame_out *out = &ws->out;
    uint8_t block[sizeof(out->header) + WS_FRAME_PAYLOAD_MAX];
    const size_t header_n = (size_t)(out->header_n - out->header_at);
    const uint8_t *from = p;
    size_t gone = 0;
    if (header_n > 0) {
        memcpy(block, out->header + out->header_at, header_n);
        memcpy(block + header_n, p, n);
        from = block;
    }
    enum stream_result r = ws_inner_write(ws, from, header_n + n, &gone);
    if (r != STREAM_OK)
        return r;
    out->header_at = (uint8_t)(out->header_at + size_min(gone, header_n));
    *put = gone - size_min(gone, header_n);
    out->owed = (uint16_t)(out->owed - *put);
    return STREAM_OK;
}
