/*
 * ws_upgrade.h - parse a WebSocket opening handshake and compose the response.
 *
 * The request is checked by RFC 6455 section 4.2.1 and MQTT 5.0 section 6, in this order; the first
 * violated rule decides the response:
 *
 *   400 not HTTP/1.x, on the byte that proves it; 431 if the head has more than
 *        WS_UPGRADE_HEAD_MAX bytes
 *   400  HTTP/1.0; not exactly one Host, or a bad one; a body (Content-Length other than 0,
 *        any Transfer-Encoding)
 *   404  another path
 *   405  a method other than GET, without Upgrade: websocket
 *   426  no Upgrade: websocket
 *   400  a method other than GET, with Upgrade: an invalid handshake, not a browser request
 *   400  no Connection: Upgrade
 *   426  no Sec-WebSocket-Version, or not 13 (section 4.4); 400 if there are two
 *   400  not exactly one Sec-WebSocket-Key of 16 bytes in base64
 *   400  no supported subprotocol [MQTT-6.0.0-3]
 *
 * Subprotocols are "mqtt" and, for old clients of MQTT 3.1, "mqttv3.1". If a client offers both,
 * "mqtt" is selected [MQTT-6.0.0-4]. Names are case-sensitive.
 *
 * The path is the target up to "?", compared byte for byte: percent-encoding is not decoded. The
 * target may be in absolute form (RFC 9112 section 3.2.2). Host and Origin are not compared, and no
 * extension is accepted.
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

#define WS_UPGRADE_HEAD_MAX      8192u /* bytes of a request head, including its empty line */
#define WS_UPGRADE_FORWARDED_MAX 512u  /* last bytes kept of the client address headers */
#define WS_UPGRADE_RESPONSE_MAX  512u  /* no response is longer */
#define WS_KEY_N                 24u   /* characters of a Sec-WebSocket-Key */
#define WS_ACCEPT_N              28u   /* characters of a Sec-WebSocket-Accept */

/* Requirements of a listener; the spans are borrowed and outlive the parser. */
struct ws_upgrade_conf {
    struct span path;                  /* "/mqtt" */
    struct span client_address_header; /* "X-Forwarded-For"; absent = ignored */
};

/* An upgrade request being parsed, and its content. */
struct ws_upgrade {
    unsigned status;         /* 0 while incomplete; then 101, or 400, 404, 405, 426, 431 */
    const char *fault;       /* PARSE_BAD: the violated rule, static string ("no such path") */
    const char *subprotocol; /* 101: "mqtt" or "mqttv3.1", static */
    uint32_t head_n;         /* 101: bytes of the head; frames follow */
    char key[WS_KEY_N + 1];  /* 101: the Sec-WebSocket-Key, terminated */
    bool plain_http;         /* PARSE_BAD: a valid HTTP head without any WebSocket header */

    /* private */
    const struct ws_upgrade_conf *conf; /* borrowed */
    struct http_head head;
    bool line_seen; /* the request line was read */
    bool is_get, is_head, path_matches;
    bool has_body;
    bool upgrades_to_websocket; /* Upgrade contains "websocket" */
    bool connection_is_upgrade; /* Connection contains "upgrade" */
    bool version_matches;       /* Sec-WebSocket-Version is 13 */
    bool host_is_invalid, key_is_invalid;
    bool offers_mqtt, offers_mqttv31;
    bool has_forwarded, forwarded_cut; /* cut: the beginning was not kept */
    uint8_t minor;                     /* of the HTTP version */
    uint32_t n_hosts, n_versions, n_keys;
    uint32_t forwarded_n;
    uint8_t forwarded[WS_UPGRADE_FORWARDED_MAX];
};

/* Prepare to parse. `conf` is borrowed until the last ws_upgrade_read(). */
void ws_upgrade_init(struct ws_upgrade *u, const struct ws_upgrade_conf *conf);

/*
 * Read on.
 *
 *   p, n   all bytes received so far, from the first one; n may be 0 and never shrinks; the memory
 * may have moved
 *
 * PARSE_DONE  u->status is 101; bytes after u->head_n <= n are the client's first frames
 * PARSE_MORE  a longer prefix could still be valid; n was below WS_UPGRADE_HEAD_MAX
 * PARSE_BAD   u->status and u->fault are set; returned on the earliest byte that proves malformed
 * input, else at the end of the head. Further calls return the same.
 *
 * The result does not depend on how the input was split, and each byte is processed once.
 */
MUST_USE enum parse_result ws_upgrade_read(struct ws_upgrade *u, const uint8_t *p, size_t n);

/*
 * The values of all client address headers as one list, "a, b, c", in order. If it exceeds
 * WS_UPGRADE_FORWARDED_MAX bytes, only its last complete elements. Absent without such a header;
 * points into *u.
 */
struct span ws_upgrade_forwarded(const struct ws_upgrade *u);

/*
 * Compose the response: 101, or the rejection with u->fault as text.
 *
 *   accept   for 101 the Sec-WebSocket-Accept for u->key, WS_ACCEPT_N characters, terminated (SHA-1
 * is above this layer); else ignored
 *
 * Returns the bytes written to out, at most WS_UPGRADE_RESPONSE_MAX. Only after PARSE_DONE or
 * PARSE_BAD.
 */
size_t ws_upgrade_respond(const struct ws_upgrade *u, const char *accept,
                          uint8_t out[WS_UPGRADE_RESPONSE_MAX]);

#endif
