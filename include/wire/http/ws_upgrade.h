/*
 * ws_upgrade.h - read a client's WebSocket opening handshake and compose the answer.
 *
 * The request is checked by RFC 6455 section 4.2.1 and MQTT 5.0 section 6, in this order; the
 * first rule that breaks decides the answer:
 *
 *   400  not HTTP/1.x, on the byte that proves it; 431 when the head has more than
 *        WS_UPGRADE_HEAD_MAX bytes
 *   400  HTTP/1.0; not exactly one Host, or a bad one; a body (Content-Length other than 0,
 *        any Transfer-Encoding)
 *   404  another path
 *   405  another method than GET, without Upgrade: websocket
 *   426  no Upgrade: websocket
 *   400  another method than GET, with it: a broken handshake, not a page's visitor
 *   400  no Connection: Upgrade
 *   426  no Sec-WebSocket-Version, or another than 13 (section 4.4); 400 when there are two
 *   400  not exactly one Sec-WebSocket-Key of 16 bytes in base64
 *   400  no subprotocol we speak [MQTT-6.0.0-3]
 *
 * Subprotocols are "mqtt" and, as old clients of MQTT 3.1 have it, "mqttv3.1". Where a client
 * offers both, "mqtt" it is [MQTT-6.0.0-4]. Their names are case-sensitive.
 *
 * The path is what stands before a "?" in the target, compared byte for byte: percent-encoding
 * is not decoded. The target may be in absolute form (RFC 9112 section 3.2.2); its host is not
 * compared with anything, nor is Host. Origin is not looked at, and no extension is taken.
 *
 * Pure: no allocation, no I/O, no clock; safe from any thread.
 * Source: RFC 6455 sections 4.2 and 4.4; MQTT 5.0 section 6; RFC 9112; RFC 9110 section 7.8.
 */
#ifndef WIRE_HTTP_WS_UPGRADE_H
#define WIRE_HTTP_WS_UPGRADE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/parse.h"
#include "base/span.h"
#include "base/util.h"
#include "head.h"

#define WS_UPGRADE_HEAD_MAX      8192u /* bytes of a request head, its empty line included */
#define WS_UPGRADE_FORWARDED_MAX 512u  /* bytes kept of the client address header's end */
#define WS_UPGRADE_RESPONSE_MAX  512u  /* no answer is longer */
#define WS_KEY_N                 24u   /* characters of a Sec-WebSocket-Key */
#define WS_ACCEPT_N              28u   /* characters of a Sec-WebSocket-Accept */

/* What a listener wants; the spans are borrowed and outlive the reader. */
struct ws_upgrade_conf {
    struct span path;                  /* "/mqtt" */
    struct span client_address_header; /* "X-Forwarded-For"; absent = not looked for */
};

/* An upgrade request being read, and what it said. */
struct ws_upgrade {
    unsigned status;         /* 0 while more is wanted; then 101, or 400, 404, 405, 426, 431 */
    const char *fault;       /* PARSE_BAD: which rule broke, static words ("no such path") */
    const char *subprotocol; /* 101: "mqtt" or "mqttv3.1", static */
    uint32_t head_n;         /* 101: bytes of the head; what follows are frames */
    char key[WS_KEY_N + 1];  /* 101: the Sec-WebSocket-Key, terminated */
    bool plain_http;         /* PARSE_BAD: a valid HTTP head without any WebSocket header */

    /* the reader's own */
    const struct ws_upgrade_conf *conf; /* borrowed */
    struct http_head head;
    bool line_seen; /* the request line was read */
    bool is_get, is_head, path_matches;
    bool has_body;
    bool upgrades_to_websocket; /* Upgrade names it */
    bool connection_is_upgrade; /* Connection names Upgrade */
    bool version_matches;       /* Sec-WebSocket-Version is 13 */
    bool host_is_invalid, key_is_invalid;
    bool offers_mqtt, offers_mqttv31;
    bool has_forwarded, forwarded_cut; /* cut: the list's beginning was not kept */
    uint8_t minor;                     /* of the HTTP version */
    uint32_t n_hosts, n_versions, n_keys;
    uint32_t forwarded_n;
    uint8_t forwarded[WS_UPGRADE_FORWARDED_MAX];
};

/* Get ready to read. `conf` is borrowed until the last ws_upgrade_read(). */
void ws_upgrade_init(struct ws_upgrade *u, const struct ws_upgrade_conf *conf);

/*
 * Read on.
 *
 *   p, n   all bytes received so far, from the very first one; n may be 0, never shrinks
 *          between calls; the memory may have moved
 *
 * PARSE_DONE  u->status is 101; bytes behind u->head_n <= n are the client's first frames
 * PARSE_MORE  a longer prefix could still be valid; n was below WS_UPGRADE_HEAD_MAX
 * PARSE_BAD   u->status is the refusal and u->fault its words; on malformed input said on the
 *             earliest byte that proves it, else at the head's end. Calling again answers the same.
 *
 * The answer is the same however the bytes were cut, and each byte is gone over once.
 */
MUST_USE enum parse_result ws_upgrade_read(struct ws_upgrade *u, const uint8_t *p, size_t n);

/*
 * The values of all client address headers as one list, "a, b, c", in order. When it had more
 * than WS_UPGRADE_FORWARDED_MAX bytes these are its last elements, each of them whole. Absent
 * without such a header; points into *u.
 */
struct span ws_upgrade_forwarded(const struct ws_upgrade *u);

/*
 * Compose the answer: 101, or the refusal with a line of text that says u->fault.
 *
 *   accept   for 101 the Sec-WebSocket-Accept that belongs to u->key, WS_ACCEPT_N characters
 *            and a terminator (SHA-1 is above this layer); else not looked at
 *
 * Returns the bytes written to out, at most WS_UPGRADE_RESPONSE_MAX. Only after PARSE_DONE or
 * PARSE_BAD.
 */
size_t ws_upgrade_respond(const struct ws_upgrade *u, const char *accept,
                          uint8_t out[WS_UPGRADE_RESPONSE_MAX]);

#endif
