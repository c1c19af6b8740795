/*
 * check.h - compose the CONNECT and DISCONNECT of a health check.
 *
 * The session is clean and has no will, so it leaves no state on the node. It uses MQTT 3.1.1,
 * which every broker supports and whose CONNACK always has four bytes.
 *
 * Pure: no allocation, no I/O, no clock; safe to call from any thread.
 * Source: MQTT 3.1.1 sections 3.1 and 3.14.
 */
#ifndef WIRE_MQTT_CHECK_H
#define WIRE_MQTT_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/util.h"

struct mqtt_check {
    struct span client_id; /* every broker accepts 1..23 characters of [0-9a-zA-Z-] */
    struct span username;  /* absent = none */
    struct span password;  /* absent = none; requires a user name [MQTT-3.1.2-22] */
    uint16_t keep_alive_s; /* broker closes after 1.5 times this without a packet */
};

/* Maximum size of a CONNECT without its three strings. */
#define MQTT_CHECK_CONNECT_ROOM 20u

/*
 * Compose the CONNECT. A password without a user name is omitted.
 *
 * Returns the number of bytes written, at most max. Writes nothing and returns 0 if max is too
 * small or a string exceeds 65,535 bytes.
 */
MUST_USE size_t mqtt_check_connect(const struct mqtt_check *check, uint8_t *out, size_t max);

#define MQTT_DISCONNECT_N 2u
extern const uint8_t mqtt_check_disconnect[MQTT_DISCONNECT_N];

#endif
