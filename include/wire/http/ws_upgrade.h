/*
 * ws_upgrade.h - parse a WebSocket opening handshake and compose the response.
 *
 * The request is checked against RFC 6455 section 4.2.1 and MQTT 5.0 section 6, in the order below.
 * The first violated rule determines the response:
 *
 *   400  not HTTP/1.x; returned at the first invalid byte
 *   431  the head is larger than WS_UPGRADE_HEAD_MAX bytes
 *   400  HTTP/1.0; no Host, several, or an invalid one; a body (Content-Length other than 0,
 *        any Transfer-Encoding)
 *   404  wrong path
 *   405  a method other than GET, without Upgrade: websocket
 *   426  no Upgrade: websocket
 *   400  a method other than GET, with Upgrade: websocket
 *   400  no Connection: Upgrade
 *   426  Sec-WebSocket-Version missing or not 13 (section 4.4); 400 if there are several
 *   400  Sec-WebSocket-Key missing, repeated, or not 16 bytes in base64
 *   400  no supported subprotocol [MQTT-6.0.0-3]
 *
 * The subprotocols are "mqtt" and, for old MQTT 3.1 clients, "mqttv3.1". If a client offers both,
 * "mqtt" is selected [MQTT-6.0.0-4]. Names are case-sensitive.
 *
 * The path is the request target up to "?". It is compared byte by byte: percent-encoding is not
 * decoded. The target may be in absolute form (RFC 9112 section 3.2.2). Host is only checked for
 * invalid characters, Origin is ignored, and no extension is negotiated.
 *
 * Pure: no allocation, no I/O, no clock; safe to call from any thread.
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

#define WS_UPGRADE_HEAD_MAX      8192u /* size of a request head, including the empty line */
#define WS_UPGRADE_FORWARDED_MAX 512u  /* bytes kept of the client address headers */
#define WS_UPGRADE_RESPONSE_MAX  512u  /* size of a response */
#define WS_KEY_N                 24u   /* characters of a Sec-WebSocket-Key */
#define WS_ACCEPT_N              28u   /* characters of a Sec-WebSocket-Accept */

/* Settings of the listener. The spans are borrowed and must outlive the parser. */
struct ws_upgrade_conf {
    struct span path;                  /* "/mqtt" */
    struct span client_address_header; /* "X-Forwarded-For"; absent = ignored */
};

/* State and result of parsing an upgrade request. */
struct ws_upgrade {
    unsigned status;         /* 0 while incomplete; then 101, or 400, 404, 405, 426, 431 */
    const char *fault;       /* PARSE_BAD: the violated rule, static string ("no such path") */
    const char *subprotocol; /* 101: "mqtt" or "mqttv3.1", static */
    uint32_t head_n;         /* 101: size of the head; frames follow */
    char key[WS_KEY_N + 1];  /* 101: the Sec-WebSocket-Key, terminated */
    bool plain_http;         /* PARSE_BAD: valid HTTP without any WebSocket header */

    /* private */
    const struct ws_upgrade_conf *conf; /* borrowed */
    struct http_head head;
    bool line_seen; /* the request line has been read */
    bool is_get, is_head, path_matches;
    bool has_body;
    bool upgrades_to_websocket; /* Upgrade contains "websocket" */
    bool connection_is_upgrade; /* Connection contains "upgrade" */
    bool version_matches;       /* Sec-WebSocket-Version is 13 */
    bool host_is_invalid, key_is_invalid;
    bool offers_mqtt, offers_mqttv31;
    bool has_forwarded, forwarded_cut; /* cut: the beginning was dropped */
    uint8_t minor;                     /* HTTP minor version */
    uint32_t n_hosts, n_versions, n_keys;
    uint32_t forwarded_n;
    uint8_t forwarded[WS_UPGRADE_FORWARDED_MAX];
};

/* Initialize the parser. `conf` is borrowed until the last ws_upgrade_read(). */
void ws_upgrade_init(struct ws_upgrade *u, const struct ws_upgrade_conf *conf);

/*
 * Continue parsing.
 *
 *   p, n   all bytes received so far; n may be 0 and never decreases; p may change between calls
 *
 * PARSE_DONE  u->status is 101; bytes after u->head_n <= n are the client's first frames
 * PARSE_MORE  valid so far; n is less than WS_UPGRADE_HEAD_MAX
 * PARSE_BAD   u->status and u->fault are set. Returned at the first byte that is not valid HTTP,
 *             else at the end of the head. Further calls return the same result.
 *
 * The result does not depend on how the input is split, and each byte is processed once.
 */
MUST_USE enum parse_result ws_upgrade_read(struct ws_upgrade *u, const uint8_t *p, size_t n);

/*
 * Return the values of all client address headers as one list, "a, b, c", in the order received. If
 * the list exceeds WS_UPGRADE_FORWARDED_MAX bytes, only the last complete elements are returned.
 * Absent if there is no such header. The span points into *u.
 */
struct span ws_upgrade_forwarded(const struct ws_upgrade *u);

/*
 * Compose the response: 101, or a rejection with u->fault as its text. Call only after PARSE_DONE
 * or PARSE_BAD.
 *
 *   accept   101: the Sec-WebSocket-Accept for u->key, WS_ACCEPT_N characters, terminated. The
 *            caller computes it, because SHA-1 is not available in this layer. Otherwise ignored.
 *
 * Returns the number of bytes written to out, at most WS_UPGRADE_RESPONSE_MAX.
 */
size_t ws_upgrade_respond(const struct ws_upgrade *u, const char *accept,
                          uint8_t out[WS_UPGRADE_RESPONSE_MAX]);

#endif
