/*
 * internal.h - the WebSocket stream's own state, shared by its four files.
 *
 *    stream_ws.c          the verbs, frames out, close
 *    stream_ws_upgrade.c  the request and its answer
 *    stream_ws_frames.c   frames in, by wslay
 *    stream_ws_accept_key.c  the one digest the handshake needs, by OpenSSL
 */
#ifndef NET_WS_INTERNAL_H
#define NET_WS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/ws/stream.h"

#define WS_CONTROL_PAYLOAD_MAX 125u /* RFC 6455 section 5.5 */

enum ws_state {
    WS_OPENING,  /* the inner stream's open() */
    WS_REQUEST,  /* reading the request */
    WS_RESPONSE, /* writing the answer */
    WS_OPEN,     /* frames both ways */
    WS_ENDED,    /* the client's close frame came, or the inner stream's end */
    WS_FAILED,   /* the client broke a rule of the frame layer, or memory ran out */
    WS_REFUSED   /* no upgrade came about */
};

/* What only the upgrade needs; freed behind it, unless frames came along with the request. */
struct ws_handshake {
    struct ws_upgrade upgrade;
    uint8_t *head;         /* owned: bytes from the inner stream */
    uint32_t head_n, room; /* bytes in it; bytes it has room for */
    uint32_t head_at;      /* bytes read of what stands behind the request */
    uint16_t response_n, response_at;
    uint8_t response[WS_UPGRADE_RESPONSE_MAX];
};

/* The frame being read. */
struct ws_frame_in {
    uint64_t left; /* payload bytes not read yet; 0 = between frames */
    uint8_t opcode;
    bool in_message; /* a data message waits for its continuation */
    uint8_t control_n;
    uint8_t control[WS_CONTROL_PAYLOAD_MAX]; /* a control frame's payload as it comes */
};

/* The data frame being written: the rest of its header, then `owed` payload bytes. */
struct ws_frame_out {
    uint8_t header[4];
    uint8_t header_n, header_at;
    uint16_t owed;
};

/* The one control frame that waits to leave: a pong, or the close frame. */
struct ws_control_out {
    uint8_t n, at;
    bool tried; /* the inner stream has seen it: it must stay as it is */
    uint8_t bytes[2 + WS_CONTROL_PAYLOAD_MAX];
};

/* Kept small: under 512 bytes, since every idle session over WebSocket has one. */
struct stream_ws {
    struct stream stream;
    struct stream *inner;               /* owned */
    struct ws_handshake *handshake;     /* owned; null once done with */
    struct wslay_frame_context *frames; /* owned; null between frames */
    struct span feed;                   /* bytes wslay has not taken yet; empty between calls */
    uint32_t held;                      /* bytes wslay took of a header that is not whole */
    const char *fault;                  /* static words; null: the inner stream has them */
    const char *subprotocol;            /* static */
    uint8_t *forwarded;                 /* owned; null = no such header */
    uint16_t forwarded_n;
    uint16_t status;              /* of the answer */
    uint16_t close_code;          /* for close_write() */
    uint16_t close_code_sent;     /* queued or gone; 0 = none */
    uint16_t close_code_received; /* see struct ws_facts */
    uint8_t state;                /* enum ws_state */
    bool received_data;           /* a byte came from the client */
    bool plain_http;              /* see struct ws_facts */
    bool dead;                    /* the inner stream's read, or its opening, returned ERR */
    bool write_dead;              /* the inner stream's write returned ERR */
    bool inner_ended;             /* the inner stream answered EOF */
    bool write_closed;            /* close_write() answered OK */
    char words[64];               /* room for a refusal's fault */
    struct ws_frame_in in;
    struct ws_frame_out out;
    struct ws_control_out control;
};

/* stream_ws.c: the inner stream's verbs, with their news noted in *ws. */
MUST_USE enum stream_result ws_inner_read(struct stream_ws *ws, void *p, size_t n, size_t *got);
MUST_USE enum stream_result ws_inner_write(struct stream_ws *ws, const void *p, size_t n,
                                           size_t *put);

/* Queue a pong; it takes the place of one that waits. Nothing once a close frame is queued. */
void ws_queue_pong(struct stream_ws *ws, struct span payload);

/* Queue the close frame, in the place of a pong that waits. Nothing when one is queued. */
void ws_queue_close(struct stream_ws *ws, unsigned code);

/* Is a data frame under way? Nothing may come in between. */
bool ws_frame_is_unfinished(const struct stream_ws *ws);

/*
 * Send the waiting control frame. OK: none waits any more, or none can be sent any more, which a
 * reader need not care about. While a data frame is in its way, whoever waits for the socket to
 * finish that frame is woken for this one too.
 */
enum stream_result ws_flush_control(struct stream_ws *ws);

/* Begin a data frame of up to n bytes. */
void ws_begin_data_frame(struct stream_ws *ws, size_t n);

/*
 * Write what is left of the frame's header and n payload bytes at p as one. *put counts the
 * payload; it is 0 when no more than header left.
 */
MUST_USE enum stream_result ws_write_frame(struct stream_ws *ws, const uint8_t *p, size_t n,
                                           size_t *put);

/* One step of open(). */
MUST_USE enum stream_result ws_upgrade_step(struct stream_ws *ws);

/* Bytes that came behind the request, 1..n of them. False when there are none (any more). */
MUST_USE bool ws_read_after_request(struct stream_ws *ws, void *p, size_t n, size_t *got);
void ws_handshake_free(struct stream_ws *ws);

/*
 * Take n bytes from the client that stand at p, put the payload in them in their place, and
 * return how much that is. Ping, close and faults are dealt with: see ws->state.
 */
MUST_USE size_t ws_deframe(struct stream_ws *ws, uint8_t *p, size_t n);
void ws_frames_free(struct stream_ws *ws);

#endif
