/*
 * internal.h - the private state of a WebSocket stream, shared by its source files.
 *
 *    stream.c      the stream operations
 *    upgrade.c     the upgrade request and the response
 *    frames_in.c   frames from the client, decoded by wslay
 *    frames_out.c  frames to the client, and calls to the inner stream
 */
#ifndef NET_WS_INTERNAL_H
#define NET_WS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/ws/stream.h"

#define WS_CONTROL_PAYLOAD_MAX 125u /* RFC 6455 section 5.5 */

enum ws_state {
    WS_OPENING,  /* opening the inner stream */
    WS_REQUEST,  /* reading the request */
    WS_RESPONSE, /* writing the response */
    WS_OPEN,     /* exchanging frames */
    WS_ENDED,    /* the client sent a close frame, or the inner stream ended */
    WS_FAILED,   /* the client violated the protocol, or memory ran out */
    WS_REFUSED   /* the upgrade was rejected */
};

/* State of the upgrade; freed when all frames received with the request have been read. */
struct ws_handshake {
    struct ws_upgrade upgrade;
    uint8_t *head;         /* owned: the request and the bytes received with it */
    uint32_t head_n, room; /* bytes used; bytes allocated */
    uint32_t head_at;      /* position of the next frame byte to read */
    uint16_t response_n, response_at;
    uint8_t response[WS_UPGRADE_RESPONSE_MAX];
};

/* The frame being read. */
struct ws_frame_in {
    uint64_t left; /* unread payload bytes; 0 = between frames */
    uint8_t opcode;
    bool in_message; /* more fragments of the data message follow */
    uint8_t control_n;
    uint8_t control[WS_CONTROL_PAYLOAD_MAX]; /* payload received of a control frame */
};

/* The data frame being written: the rest of its header, then `owed` bytes of payload. */
struct ws_frame_out {
    uint8_t header[4];
    uint8_t header_n, header_at;
    uint16_t owed;
};

/* The queued control frame, a pong or the close frame. */
struct ws_control_out {
    uint8_t n, at;
    bool tried; /* passed to the inner stream, so the bytes must not change */
    uint8_t bytes[2 + WS_CONTROL_PAYLOAD_MAX];
};

/* Kept below 512 bytes, because every idle WebSocket session has one. */
struct stream_ws {
    struct stream stream;
    struct stream *inner;               /* owned */
    struct ws_handshake *handshake;     /* owned; null after the upgrade */
    struct wslay_frame_context *frames; /* owned; null between frames */
    struct span feed;                   /* bytes not yet passed to wslay; empty between calls */
    uint32_t held;                      /* bytes of a partial header inside wslay */
    const char *fault;       /* error text: static, or `words`; null = inner stream's error */
    const char *subprotocol; /* static */
    uint8_t *forwarded;      /* owned; null = no such header */
    uint16_t forwarded_n;
    uint16_t status;              /* see struct ws_facts */
    uint16_t close_code;          /* to be sent by close_write() */
    uint16_t close_code_sent;     /* queued or sent; 0 = none */
    uint16_t close_code_received; /* see struct ws_facts */
    uint8_t state;                /* enum ws_state */
    bool received_data;           /* see struct ws_facts */
    bool plain_http;              /* see struct ws_facts */
    bool dead;                    /* read or open of the inner stream returned ERR */
    bool write_dead;              /* write of the inner stream returned ERR */
    bool inner_ended;             /* the inner stream returned EOF */
    bool write_closed;            /* close_write() returned OK */
    char words[64];               /* error text of a rejected upgrade */
    struct ws_frame_in in;
    struct ws_frame_out out;
    struct ws_control_out control;
};

/* Read from or write to the inner stream, and record its state in *ws. */
MUST_USE enum stream_result ws_inner_read(struct stream_ws *ws, void *p, size_t n, size_t *got);
MUST_USE enum stream_result ws_inner_write(struct stream_ws *ws, const void *p, size_t n,
                                           size_t *put);

/* Queue a pong, which replaces a queued pong. Ignored once a close frame is queued. */
void ws_queue_pong(struct stream_ws *ws, struct span payload);

/* Queue the close frame, which replaces a queued pong. Ignored if there already was one. */
void ws_queue_close(struct stream_ws *ws, unsigned code);

/* Is a data frame partly sent? No other frame can be sent before the rest of it. */
bool ws_frame_is_unfinished(const struct stream_ws *ws);

/*
 * Send the queued control frame. Returns OK if none is left to send, or if the writing side is
 * closed or has failed, which does not affect reading. Returns WANT_WRITE while a data frame is
 * unfinished; ws_write() sends the control frame after it.
 */
enum stream_result ws_flush_control(struct stream_ws *ws);

/* Begin a data frame of up to n bytes. */
void ws_begin_data_frame(struct stream_ws *ws, size_t n);

/*
 * Write the rest of the frame's header and n payload bytes at p in one call of the inner stream.
 * *put is the number of payload bytes sent; 0 if only header bytes were sent.
 */
MUST_USE enum stream_result ws_write_frame(struct stream_ws *ws, const uint8_t *p, size_t n,
                                           size_t *put);

/* Continue open(). */
MUST_USE enum stream_result ws_upgrade_step(struct stream_ws *ws);

/* Read up to n of the bytes that were received with the request. False if none are left. */
MUST_USE bool ws_read_after_request(struct stream_ws *ws, void *p, size_t n, size_t *got);
void ws_handshake_free(struct stream_ws *ws);

/*
 * Decode n bytes from the client at p, in place. Returns the number of payload bytes, which are
 * then at p. Responds to pings, close frames and violations, and updates ws->state.
 */
MUST_USE size_t ws_deframe(struct stream_ws *ws, uint8_t *p, size_t n);
void ws_frames_free(struct stream_ws *ws);

#endif
