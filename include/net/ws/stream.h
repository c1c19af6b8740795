/*
 * stream.h - the server side of WebSocket over any stream, carrying MQTT.
 *
 * Reads the client's upgrade request, then the payload of its binary frames, and writes binary
 * frames. Frame boundaries have no meaning [MQTT-6.0.0-2]. Ping, pong and close frames are handled
 * internally. Over a TLS stream this is wss.
 *
 * The operations of net/stream.h behave as follows:
 *
 *  - open: Open the inner stream (which may be open already), read the request and send the
 *    response. After a rejection has been sent, returns ERR with a text such as
 *    "http 404: no such path".
 *
 *  - read: Return payload as it arrives; frames are never buffered.
 *    EOF after a close frame from the client, which is answered with the same code, and when the
 *    inner stream ends without one, even inside a frame.
 *    ERR after a protocol violation, once the payload before it has been returned. A close frame
 *    is then queued: code 1003 for a text frame, otherwise 1002. After our own close frame, a
 *    violation is EOF: some clients answer with an invalid frame (paho-python: unmasked).
 *    WANT_WRITE if a pong must be sent first, or after 64 KiB without payload, so that other
 *    sessions get a turn.
 *
 *  - write: Write one frame with at most WS_FRAME_PAYLOAD_MAX bytes of payload, in one call of the
 *    inner stream. If only part of it is sent, the next writes complete the frame. After a close
 *    frame or a rejected upgrade, bytes are accepted and discarded.
 *
 *  - close_write: Send a close frame, unless one was sent, the upgrade failed or a frame is
 *    unfinished. Then call close_write of the inner stream. Reading still works afterwards, but
 *    after a close frame from the client, a protocol violation or a rejection it discards all bytes
 *    and returns WANT_*, EOF or ERR, so that the session can drain the connection.
 *
 * A queued close frame is sent immediately if the inner stream accepts it, otherwise by the next
 * write or close_write. Of several pings, only the last is answered (RFC 6455 section 5.5.3).
 *
 * Memory: less than 512 bytes while idle, and about 4 KiB more while a frame is partly read. The
 * request takes up to WS_UPGRADE_HEAD_MAX bytes until the frames received with it have been read.
 *
 * Source: RFC 6455; MQTT 5.0 section 6.
 */
#ifndef NET_WS_STREAM_H
#define NET_WS_STREAM_H

#include "base/span.h"
#include "base/util.h"
#include "net/stream.h"
#include "wire/http/ws_upgrade.h"

#define WS_FRAME_PAYLOAD_MAX 16384u /* limit for the frames we send */

/* The close codes of RFC 6455 section 7.4.1 that sessions use. */
enum ws_close_code {
    WS_CLOSE_NORMAL = 1000,
    WS_CLOSE_GOING_AWAY = 1001,
    WS_CLOSE_PROTOCOL_ERROR = 1002,
    WS_CLOSE_UNSUPPORTED_DATA = 1003,
    WS_CLOSE_NO_STATUS = 1005, /* never sent: the close frame had no code */
    WS_CLOSE_ABNORMAL = 1006,  /* never sent: no valid close frame was received */
    WS_CLOSE_POLICY_VIOLATION = 1008,
    WS_CLOSE_TOO_BIG = 1009,
    WS_CLOSE_INTERNAL_ERROR = 1011
};

struct stream_ws_conf {
    struct ws_upgrade_conf upgrade;
};

/*
 * Create a stream over `inner`. Takes `inner`, and frees it on failure. `conf` is borrowed and must
 * stay valid until open() has completed. Null if out of memory.
 */
MUST_USE struct stream *stream_ws_accept(struct stream *inner, const struct stream_ws_conf *conf);

/* Results of the upgrade and of the close handshake. Pointers are valid as long as the stream. */
struct ws_facts {
    const char *subprotocol; /* "mqtt" or "mqttv3.1"; null until open() has returned OK */
    struct span forwarded;   /* see ws_upgrade_forwarded(); absent until open() has returned OK */
    unsigned status;         /* HTTP status of the response; 0 = no response yet */
    bool received_data;      /* at least one byte was received from the client */
    bool closed_before_response;  /* the client closed the connection before the response */
    bool failed_before_response;  /* the connection failed before the response */
    bool plain_http;              /* rejected: the request had no WebSocket header */
    unsigned close_code_received; /* code of the client's close frame; 0 = not closed */
    unsigned close_code_sent;     /* code of our close frame, queued or sent; 0 = none */
};

/* The functions below accept only streams from stream_ws_accept(). */
void stream_ws_facts(const struct stream *st, struct ws_facts *out);

/* Return the inner stream, borrowed. Only for TLS facts; do not read or write it. */
struct stream *stream_ws_inner(struct stream *st);

/*
 * Set the code that close_write() sends; the default is WS_CLOSE_NORMAL. It must be valid in a
 * close frame (RFC 6455 section 7.4). Ignored once a close frame is queued or sent.
 */
void stream_ws_set_close_code(struct stream *st, unsigned code);

#endif
