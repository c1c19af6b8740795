/*
 * first_bytes.h - guess the protocol of a connection from its first bytes.
 *
 * Used only to describe a failure, such as TLS on a plain-text listener. The guess never decides
 * whether a client is accepted.
 *
 * Pure: no allocation, no I/O, no clock; safe to call from any thread.
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

/* Return the protocol of the bytes received so far. MQTT and TLS need one byte, others three. */
enum first_protocol first_bytes_protocol(struct span in);

/* Return "MQTT", "TLS", "HTTP" or "PROXY protocol"; null for NOTHING and UNKNOWN. */
const char *first_protocol_name(enum first_protocol protocol);

#endif
