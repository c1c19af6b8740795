/*
 * first_bytes.h - guess the protocol of a connection from its first bytes.
 *
 * For the log only: it identifies clients that use another protocol than the listener, such as TLS
 * on a plain one. No listener accepts a client because of it.
 *
 * Pure: no allocation, no I/O, no clock; safe from any thread.
 */
#ifndef WIRE_FIRST_BYTES_H
#define WIRE_FIRST_BYTES_H

#include "base/span.h"

enum first_protocol {
    FIRST_NOTHING, /* no byte received */
    FIRST_UNKNOWN,
    FIRST_MQTT,  /* a CONNECT, or the beginning of one */
    FIRST_TLS,   /* a handshake record: RFC 8446 section 5.1 */
    FIRST_HTTP,  /* a method: RFC 9110 section 9 */
    FIRST_PROXY, /* a PROXY header, version 1 or 2 */
    FIRST_COUNT
};

/* Protocol of the bytes received so far. One byte is enough for MQTT and TLS, others need three. */
enum first_protocol first_bytes_protocol(struct span in);

/* "MQTT", "TLS", "HTTP", "PROXY protocol"; null for NOTHING and UNKNOWN. */
const char *first_protocol_name(enum first_protocol protocol);

#endif
