/*
 * stream.h - the server side of WebSocket over any stream, carrying MQTT.
 *
 * Reads the client's upgrade request, then the payload of its binary frames, and writes binary
 * frames. Frame boundaries have no meaning [MQTT-6.0.0-2]. Ping, pong and close are handled inside.
 * Over a TLS stream this is wss.
 *
 * The operations of net/stream.h behave as follows:
 *
 *   open         opens the inner stream (it may be open already), reads the request and sends the
 * response. After a rejection was sent, returns ERR with a text such as "http 404: no such path"
 *   read         returns payload as it arrives and never buffers a frame. EOF after the client's
 * close frame, which is answered with the same code, and when the inner stream ends without one,
 * even inside a frame. ERR after a protocol violation, with a close frame queued (1002; text frame:
 * 1003); earlier payload is returned first. A violation after our own close frame is EOF: some
 * clients answer that way (paho-python: unmasked). WANT_WRITE: a pong must be sent first, or 64 KiB
 * arrived without payload and other sessions should get a turn write        one frame per call, of
 * at most WS_FRAME_PAYLOAD_MAX bytes, header and payload in one inner write. If it is sent only in
 * part, the next bytes written complete the frame. Bytes after a close frame or a rejected upgrade
 * are accepted and discarded close_write  sends a close frame, unless one was sent, the upgrade
 * failed or a frame is unfinished; then calls close_write of the inner stream afterwards read
 * continues as before; but after the client's close frame, a protocol violation or a rejection it
 * discards what still arrives: WANT_*, EOF or ERR, so that the session can drain it
 *
 * A queued close frame is sent immediately if the inner stream accepts it, else with the next write
 * or close_write. Of several pings only the last is answered (RFC 6455 section 5.5.3).
 *
 * Memory: under 512 bytes while idle; about 4 KiB more while a frame is partly read, and up to
 * WS_UPGRADE_HEAD_MAX until the request and the frames received with it are read.
 *
 * Source: RFC 6455; MQTT 5.0 section 6.
 */
#ifndef NET_WS_STREAM_H
#define NET_WS_STREAM_H

#include "base/span.h"
#include "base/util.h"
#include "net/stream.h"
#include "wire/http/ws_upgrade.h"

#define WS_FRAME_PAYLOAD_MAX 16384u /* payload bytes of a frame we send */

/* Close codes of RFC 6455 section 7.4.1 that sessions use. */
enum ws_close_code {
    WS_CLOSE_NORMAL = 1000,
    WS_CLOSE_GOING_AWAY = 1001,
    WS_CLOSE_PROTOCOL_ERROR = 1002,
    WS_CLOSE_UNSUPPORTED_DATA = 1003,
    WS_CLOSE_NO_STATUS = 1005, /* never sent: the close frame had no code */
    WS_CLOSE_ABNORMAL = 1006,  /* never sent: the stream ended without a close frame */
    WS_CLOSE_POLICY_VIOLATION = 1008,
    WS_CLOSE_TOO_BIG = 1009,
    WS_CLOSE_INTERNAL_ERROR = 1011
};

struct stream_ws_conf {
    struct ws_upgrade_conf upgrade;
};

/*
 * Create a stream over `inner`, which is taken; on failure it is freed. `conf` is borrowed and must
 * outlive open(). Null if out of memory.
 */
MUST_USE struct stream *stream_ws_accept(struct stream *inner, const struct stream_ws_conf *conf);

/* Results of the upgrade, and how the client closed. Pointers are valid as long as the stream. */
struct ws_facts {
    const char *subprotocol;     /* "mqtt" or "mqttv3.1"; null before open() returned OK */
    struct span forwarded;       /* see ws_upgrade_forwarded(); absent before open() returned OK */
    unsigned status;             /* of the response: 101, or the refusal; 0 before */
    bool received_data;          /* a byte was received from the client */
    bool closed_before_response; /* the client closed before the response */
    bool failed_before_response; /* the connection was reset or failed before the response */
    bool plain_http;             /* rejected: a request without any WebSocket header */
    unsigned
        close_code_received;  /* from its close frame; WS_CLOSE_NO_STATUS, _ABNORMAL; 0 = open */
    unsigned close_code_sent; /* in our close frame, queued or sent; 0 = none */
};

/* These three only for a stream from stream_ws_accept(). */
void stream_ws_facts(const struct stream *st, struct ws_facts *out);

/* The inner stream, borrowed: only for TLS facts, not to read or write. */
struct stream *stream_ws_inner(struct stream *st);

/*
 * Set the code that close_write() sends; the default is WS_CLOSE_NORMAL. It must be valid in a
 * close frame (RFC 6455 section 7.4). Ignored if a close frame is queued or sent.
 */
void stream_ws_set_close_code(struct stream *st, unsigned code);

#endif
