/*
 * connack.h - compose a CONNACK that rejects a client, and parse the CONNACK of a node.
 *
 * Pure: no allocation, no I/O, no clock; safe to call from any thread.
 * Source: MQTT 5.0 section 3.2; MQTT 3.1.1 section 3.2; MQTT V3.1 section 3.2.
 */
#ifndef WIRE_MQTT_CONNACK_H
#define WIRE_MQTT_CONNACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/parse.h"
#include "base/span.h"
#include "base/util.h"
#include "connect.h"

/*
 * Reasons to reject a device: enum suffix, 3.x return code (0 = close without CONNACK), 5.0 reason
 * code.
 */
#define MQTT_REFUSALS(X)                                                                           \
    X(MALFORMED, 0, 0x81)                                                                          \
    X(PROTOCOL_ERROR, 0, 0x82)                                                                     \
    X(UNSUPPORTED_VERSION, 1, 0x84)                                                                \
    X(CLIENT_ID_INVALID, 2, 0x85)                                                                  \
    X(BAD_CREDENTIALS, 4, 0x86)                                                                    \
    X(NOT_AUTHORIZED, 5, 0x87)                                                                     \
    X(SERVER_UNAVAILABLE, 3, 0x88)                                                                 \
    X(SERVER_BUSY, 3, 0x89)                                                                        \
    X(BANNED, 5, 0x8a)                                                                             \
    X(PACKET_TOO_LARGE, 0, 0x95)                                                                   \
    X(QUOTA_EXCEEDED, 3, 0x97)                                                                     \
    X(CONNECTION_RATE_EXCEEDED, 3, 0x9f)

enum mqtt_refusal {
#define X(suffix, rc3, rc5) MQTT_REFUSAL_##suffix,
    MQTT_REFUSALS(X)
#undef X
        MQTT_REFUSAL_COUNT
};

#define MQTT_CONNACK_REFUSAL_MAX 5u /* bytes */
#define MQTT_CONNACK_CODE_AT     3u /* offset of the code, in both formats */

/*
 * Compose the CONNACK that rejects a CONNECT.
 *
 *   c     provides the version (or the unknown level) and Maximum Packet Size, as far as parsed
 *   out   MQTT_CONNACK_REFUSAL_MAX bytes
 *
 * Returns the number of bytes written: 4 for 3.x, 5 for 5.0. Returns 0 (close without CONNACK) if
 * the version is unknown or has no code for this rejection, or if the CONNACK would exceed the
 * client's Maximum Packet Size [MQTT-3.1.2-24]. An unknown level above 4 of "MQTT" gets the 5.0
 * format, any other unknown level the 3.x format [MQTT-3.1.2-2].
 */
size_t mqtt_connack_refuse(const struct mqtt_connect *c, enum mqtt_refusal refusal, uint8_t *out);

/* Compose the CONNACK that rejects an invalid CONNECT, by c->fault. Same return values. */
size_t mqtt_connack_for_fault(const struct mqtt_connect *c, uint8_t *out);

/* The parts of a node's CONNACK that the router uses. */
struct mqtt_connack {
    uint8_t code;                 /* 3.x return code or 5.0 reason code; 0 = accepted */
    bool session_present;         /* the node has stored a session of the device */
    bool has_server_keep_alive;   /* 5.0 property 0x13: replaces the device's keep alive */
    uint16_t server_keep_alive_s; /* seconds [MQTT-3.2.2-21] */
};

/* What a CONNACK code is about. */
enum mqtt_connack_subject {
    MQTT_CONNACK_ACCEPTED,
    MQTT_CONNACK_ABOUT_DEVICE, /* credentials, identifier or permissions */
    MQTT_CONNACK_ABOUT_NODE,   /* state of this node; another node may accept */
    MQTT_CONNACK_ABOUT_OTHER   /* the packet, a quota, or an unspecified reason */
};

/*
 * Return what a node's CONNACK code is about. `version` is that of the CONNECT: 3, 4 or 5.
 *
 *              3.1, 3.1.1   5.0
 *   ACCEPTED   0            0x00
 *   DEVICE     2, 4, 5      0x85 client identifier, 0x86 user name or password,
 *                           0x87 not authorized, 0x8A banned, 0x8C authentication method
 *   NODE       3            0x88 unavailable, 0x89 busy, 0x9C use another server,
 *                           0x9D server moved
 *   OTHER      all others   all others
 *
 * ACCEPTED and DEVICE prove that the node has processed the CONNECT, and that any healthy node of
 * the cluster would also have answered. OTHER proves nothing: 0x80 and 0x83 give no reason (EMQX
 * sends 1 for 0x80 in 3.x); 0x81, 0x82, 0x84, 0x95 and the codes for the will (0x90, 0x99, 0x9A,
 * 0x9B) are about the packet, and another node may close the connection instead; 0x97 and 0x9F are
 * limits, which nodes reach at different times.
 *
 * Source: MQTT 5.0 section 3.2.2.2; MQTT 3.1.1 section 3.2.2.3; emqx_reason_codes:compat/2.
 */
enum mqtt_connack_subject mqtt_connack_subject(uint8_t version, uint8_t code);

/*
 * Parse the first packet from a node.
 *
 *   in       all bytes received from the node so far
 *   version  version of the device's CONNECT: 3, 4 or 5
 *   out      set on PARSE_DONE only
 *
 * PARSE_MORE  type and length are valid so far; the rest is checked once the packet is complete
 * PARSE_BAD   another packet (such as AUTH), or an invalid CONNACK
 *
 * The bytes are relayed to the device regardless of the result. Properties that are not allowed in
 * a CONNACK are ignored.
 */
MUST_USE enum parse_result mqtt_connack_read(struct span in, uint8_t version,
                                             struct mqtt_connack *out);

#endif
