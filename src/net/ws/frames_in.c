/*
 * frames_in.c - a client's frames, turned into the bytes they carry.
 *
 * wslay takes a frame apart and unmasks it; what frames may follow each other, and what close
 * frames may say, is checked here. Payload is put back where the frames stood: it is never
 * longer than they were, and wslay holds no payload between two calls, only the beginning
 * of a header.
 *
 *    p:  [payload, payload, .....|free|..... bytes that wslay has not seen]
 *                                 ^--- at most 4 KiB of copy inside wslay ---^
 *
 * wslay's context is 4 KiB and more, so one is held only while a frame is partly read. The
 * first bytes of a broken frame are refused when its header and a first payload byte are here.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/utf8.h"
#include "internal.h"

static ssize_t recv_callback(uint8_t *buf, size_t n, int flags, void *user_data)
{
    struct stream_ws *ws = user_data;
    (void)flags;
    n = size_min(n, ws->feed.n);
    if (n == 0)
        return -1; /* wslay makes WANT_READ of it */
    memcpy(buf, ws->feed.p, n);
    ws->feed = span_of(ws->feed.p + n, ws->feed.n - n);
    ws->held += (uint32_t)n;
    return (ssize_t)n;
}

void ws_frames_free(struct stream_ws *ws)
{
    wslay_frame_context_free(ws->frames);
    ws->frames = NULL;
}

/* After our close frame, a fault ends the stream as the client's close frame would. */
static void fail(struct stream_ws *ws, unsigned code, const char *fault)
{
    if (ws->close_code_sent != 0) {
        ws->state = WS_ENDED;
        ws->close_code_received = WS_CLOSE_ABNORMAL;
        return;
    }
    ws->state = WS_FAILED;
    ws->fault = fault;
    ws_queue_close(ws, code);
}

static void break_rule(struct stream_ws *ws, const char *fault)
{
    fail(ws, WS_CLOSE_PROTOCOL_ERROR, fault);
}

static bool is_control(unsigned opcode)
{
    return wslay_is_ctrl_frame(opcode);
}

/* wslay takes lengths in their shortest form only, so the form follows from the length. */
static uint32_t header_size(const struct wslay_frame_iocb *frame)
{
    uint32_t length_n = frame->payload_length < 126 ? 0 : frame->payload_length < 65536 ? 2 : 8;
    return 2 + length_n + (frame->mask ? 4 : 0);
}

/* A frame's header is whole. Its rules, but those that wslay has checked. False when one broke. */
static bool begin_frame(struct stream_ws *ws, const struct wslay_frame_iocb *frame)
{
    struct ws_frame_in *in = &ws->in;
    const unsigned opcode = frame->opcode;
    ws->held -= header_size(frame);
    if (frame->rsv != 0)
        break_rule(ws, "reserved bit in a frame"); /* section 5.2: no extension was agreed on */
    else if (!frame->mask)
        break_rule(ws, "unmasked frame"); /* section 5.1 */
    else if (opcode > WSLAY_PONG || (opcode > WSLAY_BINARY_FRAME && !is_control(opcode)))
        break_rule(ws, "reserved opcode"); /* section 5.2 */
    else if (opcode == WSLAY_CONTINUATION_FRAME && !in->in_message)
        break_rule(ws, "continuation of nothing"); /* section 5.4 */
    else if (opcode == WSLAY_TEXT_FRAME)
        fail(ws, WS_CLOSE_UNSUPPORTED_DATA, "text frame"); /* [MQTT-6.0.0-1] */
    else if (opcode == WSLAY_BINARY_FRAME && in->in_message)
        break_rule(ws, "message inside a message"); /* section 5.4 */
    if (ws->state != WS_OPEN)
        return false;
    in->left = frame->payload_length;
    in->opcode = (uint8_t)opcode;
    if (is_control(opcode))
        in->control_n = 0;
    else
        in->in_message = !frame->fin;
    return true;
}

/* May this code stand in a close frame? Sections 7.4.1 and 7.4.2, and IANA's registry. */
static bool close_code_is_valid(unsigned code)
{
    if (code >= 3000)
        return code <= 4999;
    return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}

static bool is_utf8(struct span text)
{
    for (size_t at = 0; at < text.n;) {
        int n = utf8_char(text.p + at, text.n - at, text.n - at);
        if (n == UTF8_BAD)
            return false;
        at += (size_t)n;
    }
    return true;
}

static void take_close(struct stream_ws *ws, struct span payload)
{
    unsigned code = WS_CLOSE_NO_STATUS;
    if (payload.n == 1) {
        break_rule(ws, "close frame of one byte");
        return;
    }
    if (payload.n >= 2) {
        code = (unsigned)payload.p[0] << 8 | payload.p[1];
        if (!close_code_is_valid(code)) {
            break_rule(ws, "close code that may not be sent");
            return;
        }
        if (!is_utf8(span_of(payload.p + 2, payload.n - 2))) {
            break_rule(ws, "close reason is not UTF-8");
            return;
        }
    }
    ws->close_code_received = (uint16_t)code;
    ws->state = WS_ENDED;
    ws_queue_close(ws, code == WS_CLOSE_NO_STATUS ? WS_CLOSE_NORMAL : code);
}

static void end_control_frame(struct stream_ws *ws)
{
    struct span payload = span_of(ws->in.control, ws->in.control_n);
    if (ws->in.opcode == WSLAY_PING)
        ws_queue_pong(ws, payload);
    else if (ws->in.opcode == WSLAY_CONNECTION_CLOSE)
        take_close(ws, payload);
    /* a pong answers nothing of ours: section 5.5.3 */
}

/* Some payload of a frame, perhaps with the frame's beginning: data goes to p + *payload_n. */
static void take_piece(struct stream_ws *ws, const struct wslay_frame_iocb *piece, uint8_t *p,
                       size_t *payload_n)
{
    struct ws_frame_in *in = &ws->in;
    if (in->left == 0 && !begin_frame(ws, piece))
        return;
    in->left -= piece->data_length;
    ws->held -= (uint32_t)piece->data_length;
    if (!is_control(in->opcode)) {
        memcpy(p + *payload_n, piece->data, piece->data_length);
        *payload_n += piece->data_length;
        return;
    }
    memcpy(in->control + in->control_n, piece->data, piece->data_length);
    in->control_n = (uint8_t)(in->control_n + piece->data_length);
    if (in->left == 0)
        end_control_frame(ws);
}

static bool make_frames(struct stream_ws *ws)
{
    static const struct wslay_frame_callbacks callbacks = {.recv_callback = recv_callback};
    ws->held = 0;
    return wslay_frame_context_init(&ws->frames, &callbacks, ws) == 0;
}

size_t ws_deframe(struct stream_ws *ws, uint8_t *p, size_t n)
{
    size_t payload_n = 0;
    if (!ws->frames && !make_frames(ws)) {
        ws->frames = NULL;
        fail(ws, WS_CLOSE_INTERNAL_ERROR, "out of memory");
        return 0;
    }
    ws->feed = span_of(p, n);
    while (ws->state == WS_OPEN) {
        struct wslay_frame_iocb piece = {0};
        ssize_t r = wslay_frame_recv(ws->frames, &piece);
        if (r == WSLAY_ERR_WANT_READ)
            break;
        if (r < 0)
            break_rule(ws, "broken frame header"); /* sections 5.2 and 5.5: lengths, FIN */
        else
            take_piece(ws, &piece, p, &payload_n);
    }
    assert(ws->feed.n == 0 || ws->state != WS_OPEN);
    ws->feed = (struct span){0};
    if (ws->state != WS_OPEN || (ws->in.left == 0 && ws->held == 0))
        ws_frames_free(ws);
    return payload_n;
}
