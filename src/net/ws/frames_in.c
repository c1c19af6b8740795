/*
 * frames_in.c - decode the client's WebSocket frames into payload bytes.
 *
 * wslay parses and unmasks frames; this file checks their order and the content of close frames.
 * The payload overwrites the frames in the same buffer. It is never longer than they are, because
 * between two calls wslay holds no payload, only a partial header.
 *
 *    p:  [payload, payload, .....|free|..... bytes not yet passed to wslay]
 *                                 ^--- at most 4 KiB, copied inside wslay
 *
 * A wslay context takes more than 4 KiB, so it exists only while a frame is partly read. An invalid
 * frame is rejected once its header and first payload byte have been received.
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
        return -1; /* makes wslay return WSLAY_ERR_WANT_READ */
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

/* Handle a protocol violation. After our own close frame it counts as the client's close frame. */
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

/* wslay accepts only the shortest form of a length, so the length determines the header size. */
static uint32_t header_size(const struct wslay_frame_iocb *frame)
{
    uint32_t length_n = frame->payload_length < 126 ? 0 : frame->payload_length < 65536 ? 2 : 8;
    return 2 + length_n + (frame->mask ? 4 : 0);
}

/* Check a complete frame header for what wslay does not check. False if it is invalid. */
static bool begin_frame(struct stream_ws *ws, const struct wslay_frame_iocb *frame)
{
    struct ws_frame_in *in = &ws->in;
    const unsigned opcode = frame->opcode;
    ws->held -= header_size(frame);
    if (frame->rsv != 0)
        break_rule(ws, "reserved bit in a frame"); /* section 5.2: no extension was negotiated */
    else if (!frame->mask)
        break_rule(ws, "unmasked frame"); /* section 5.1 */
    else if (opcode > WSLAY_PONG || (opcode > WSLAY_BINARY_FRAME && !is_control(opcode)))
        break_rule(ws, "reserved opcode"); /* section 5.2 */
    else if (opcode == WSLAY_CONTINUATION_FRAME && !in->in_message)
        break_rule(ws, "continuation frame without a message"); /* section 5.4 */
    else if (opcode == WSLAY_TEXT_FRAME)
        fail(ws, WS_CLOSE_UNSUPPORTED_DATA, "text frame"); /* [MQTT-6.0.0-1] */
    else if (opcode == WSLAY_BINARY_FRAME && in->in_message)
        break_rule(ws, "new message inside a fragmented message"); /* section 5.4 */
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

/* Is this code valid in a close frame? Sections 7.4.1 and 7.4.2, and the IANA registry. */
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
        break_rule(ws, "close frame with a payload of one byte");
        return;
    }
    if (payload.n >= 2) {
        code = (unsigned)payload.p[0] << 8 | payload.p[1];
        if (!close_code_is_valid(code)) {
            break_rule(ws, "invalid close code");
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
    /* section 5.5.3: unsolicited pongs are ignored */
}

/* Process one piece of a frame. Payload of data frames is appended at p + *payload_n. */
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
            break_rule(ws, "invalid frame header"); /* sections 5.2 and 5.5: lengths, FIN */
        else
            take_piece(ws, &piece, p, &payload_n);
    }
    assert(ws->feed.n == 0 || ws->state != WS_OPEN);
    ws->feed = (struct span){0};
    if (ws->state != WS_OPEN || (ws->in.left == 0 && ws->held == 0))
        ws_frames_free(ws);
    return payload_n;
}
