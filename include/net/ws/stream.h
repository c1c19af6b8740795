/*
 * stream.h - the server side of WebSocket over any stream, carrying MQTT's bytes.
 *
 * Takes the client's upgrade request, then reads the payload of its binary frames and writes
 * binary frames: what goes in and out is the bare byte stream, whose cuts mean nothing
 * [MQTT-6.0.0-2]. Ping, pong and close are dealt with inside. Over a TLS stream it is wss.
 *
 * How the five verbs of net/stream.h behave here:
 *
 *   open         opens the inner stream (one that is open already may be), reads the request
 *                and answers it. A refusal is ERR once it has been written, with words such
 *                as "http 404: no such path"
 *   read         payload as it comes, never a whole frame in memory. EOF after the client's
 *                close frame, which is answered with the same code, and when the inner
 *                stream ends without one, in the middle of a frame too. ERR after a broken
 *                rule, with a close frame queued (1002; text frame: 1003); payload in front
 *                of it is read first. EOF, too, for a broken rule after our own close frame: it
 *                is how some clients answer that (paho-python: unmasked). WANT_WRITE: a pong has
 *                to leave first, or 64 KiB came without payload and others should get a turn
 *   write        one frame a call, of at most WS_FRAME_PAYLOAD_MAX bytes, header and payload in
 *                one inner write. When not all of it leaves, the frame's rest is owed, and
 *                the next bytes written fill it. Bytes that no frame may carry any more
 *                (behind a close frame, after a refused upgrade) are taken and dropped
 *   close_write  a close frame, unless one has left or the upgrade never came about or a
 *                frame is owed bytes; then the inner stream's
 *   after it     read goes on as before; but a stream whose client sent its close frame, broke
 *                a rule or was refused discards what still comes: WANT_*, EOF or ERR, so
 *                that the session can drain it
 *
 * A queued close frame leaves at once if the inner stream takes it, else with the next write or
 * close_write. Of pings that come together the last is answered (RFC 6455 section 5.5.3).
 *
 * Memory: under 512 bytes while idle; some 4 KiB more while a frame is half read, and up to
 * WS_UPGRADE_HEAD_MAX while the request, or frames that came with it, are not all read.
 *
 * Source: RFC 6455; MQTT 5.0 section 6.
 */
#ifndef NET_WS_STREAM_H
#define NET_WS_STREAM_H

#include "base/span.h"
#include "base/util.h"
#include "net/stream.h"
#include "wire/http/ws_upgrade.h"

#define WS_FRAME_PAYLOAD_MAX 16384u /* bytes in a frame we send */

/* Close codes of RFC 6455 section 7.4.1 that a session has reason to know. */
enum ws_close_code {
    WS_CLOSE_NORMAL = 1000,
    WS_CLOSE_GOING_AWAY = 1001,
    WS_CLOSE_PROTOCOL_ERROR = 1002,
    WS_CLOSE_UNSUPPORTED_DATA = 1003,
    WS_CLOSE_NO_STATUS = 1005, /* never sent: a close frame came without a code */
    WS_CLOSE_ABNORMAL = 1006,  /* never sent: the stream ended without a close frame */
    WS_CLOSE_POLICY_VIOLATION = 1008,
    WS_CLOSE_TOO_BIG = 1009,
    WS_CLOSE_INTERNAL_ERROR = 1011
};

struct stream_ws_conf {
    struct ws_upgrade_conf upgrade;
};

/*
 * Make a stream that takes `inner`, also on failure: then it is freed. `conf` is borrowed and
 * outlives open(). Null when memory is short.
 */
MUST_USE struct stream *stream_ws_accept(struct stream *inner, const struct stream_ws_conf *conf);

/* What the upgrade agreed on, and how the client left. Pointers live as long as the stream. */
struct ws_facts {
    const char *subprotocol;     /* "mqtt" or "mqttv3.1"; null before open() answered OK */
    struct span forwarded;       /* see ws_upgrade_forwarded(); absent before open() answered OK */
    unsigned status;             /* of the answer: 101, or the refusal; 0 before */
    bool received_data;          /* a byte came from the client */
    bool closed_before_response; /* the client's connection ended before there was an answer */
    bool failed_before_response; /* or was reset, or broke in another way */
    bool plain_http;             /* refused: a request without any WebSocket header */
    unsigned
        close_code_received;  /* from its close frame; WS_CLOSE_NO_STATUS, _ABNORMAL; 0 = open */
    unsigned close_code_sent; /* in our close frame, queued or gone; 0 = none */
};

/* These three only for a stream from stream_ws_accept(). */
void stream_ws_facts(const struct stream *st, struct ws_facts *out);

/* The stream below, borrowed: to ask TLS for its facts, never to read or write. */
struct stream *stream_ws_inner(struct stream *st);

/*
 * Which code close_write() will send, WS_CLOSE_NORMAL unless told; one that may be sent (RFC 6455
 * section 7.4). Nothing changes when a close frame is queued or gone already.
 */
void stream_ws_set_close_code(struct stream *st, unsigned code);

#endif
