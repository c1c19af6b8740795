/*
 * mqtt_connect.h - read the first MQTT control packet of a connection: CONNECT.
 *
 * Covers MQTT 3.1 ("MQIsdp", 3), 3.1.1 ("MQTT", 4), 5.0 ("MQTT", 5), and Mosquitto's
 * bridge bit on the first two (0x83, 0x84).
 *
 * Pure: no allocation, no I/O, no clock; safe from any thread.
 * Source: MQTT 5.0 section 3.1; MQTT 3.1.1 section 3.1; MQTT V3.1 section 3.1.
 */
#ifndef WIRE_MQTT_CONNECT_H
#define WIRE_MQTT_CONNECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/parse.h"
#include "base/span.h"
#include "base/util.h"

/*
 * Every rule a CONNECT can break: enum suffix, log word, class, clause.
 *
 * FRAMING   version, client id, user name or the end of the packet cannot be named with
 *           certainty; refused in every mode
 * SEMANTIC  the packet can be read but says something illegal; strict refuses it, lenient
 *           leaves it to the broker
 */
#define MQTT_FAULTS(X)                                                                             \
    X(NONE, "none", SEMANTIC, "")                                                                  \
    X(NOT_CONNECT, "not_connect", FRAMING, "MQTT-3.1.0-1")                                         \
    X(FIXED_HEADER_FLAGS, "fixed_header_flags", FRAMING, "MQTT-2.1.3-1")                           \
    X(LENGTH_MALFORMED, "length_malformed", FRAMING, "5.0: 1.5.5; 3.1.1: 2.2.3")                   \
    X(LENGTH_NOT_MINIMAL, "length_not_minimal", SEMANTIC, "MQTT-1.5.5-1")                          \
    X(TOO_LARGE, "too_large", FRAMING, "limits.connect_max_bytes")                                 \
    X(PROTOCOL_NAME, "protocol_name", FRAMING, "MQTT-3.1.2-1")                                     \
    X(PROTOCOL_LEVEL, "protocol_level", FRAMING, "MQTT-3.1.2-2")                                   \
    X(RESERVED_FLAG, "reserved_flag", SEMANTIC, "MQTT-3.1.2-3")                                    \
    X(WILL_QOS, "will_qos", SEMANTIC, "5.0: MQTT-3.1.2-12; 3.1.1: MQTT-3.1.2-14")                  \
    X(WILL_FLAGS, "will_flags_without_will", SEMANTIC,                                             \
      "5.0: MQTT-3.1.2-11, -13; 3.1.1: MQTT-3.1.2-13, -15")                                        \
    X(PASSWORD_WITHOUT_USERNAME, "password_without_username", SEMANTIC, "3.1.1: MQTT-3.1.2-22")    \
    X(FIELD_OVERRUN, "field_overrun", FRAMING, "MQTT-3.1.4-1")                                     \
    X(TRAILING_BYTES, "trailing_bytes", FRAMING, "MQTT-3.1.4-1")                                   \
    X(PROPERTY_OVERRUN, "property_overrun", FRAMING, "5.0: 2.2.2")                                 \
    X(PROPERTY_UNKNOWN, "property_unknown", FRAMING, "5.0: 2.2.2.2")                               \
    X(PROPERTY_NOT_ALLOWED, "property_not_allowed", SEMANTIC, "5.0: 2.2.2.2")                      \
    X(PROPERTY_DUPLICATE, "property_duplicate", SEMANTIC, "5.0: 3.1.2.11, 3.1.3.2")                \
    X(PROPERTY_VALUE, "property_value", SEMANTIC, "5.0: 3.1.2.11, 3.1.3.2")                        \
    X(PROPERTY_UTF8, "property_utf8", SEMANTIC, "MQTT-1.5.4-1, -2")                                \
    X(AUTH_DATA_WITHOUT_METHOD, "auth_data_without_method", SEMANTIC, "5.0: 3.1.2.11.10")          \
    X(CLIENT_ID_UTF8, "client_id_utf8", SEMANTIC, "MQTT-3.1.3-4")                                  \
    X(CLIENT_ID_EMPTY, "client_id_empty", SEMANTIC, "3.1.1: MQTT-3.1.3-8; 3.1: 3.1")               \
    X(WILL_TOPIC_UTF8, "will_topic_utf8", SEMANTIC, "5.0: MQTT-3.1.3-11; 3.1.1: MQTT-3.1.3-10")    \
    X(USERNAME_UTF8, "username_utf8", SEMANTIC, "5.0: MQTT-3.1.3-12; 3.1.1: MQTT-3.1.3-11")

enum mqtt_fault {
#define X(suffix, word, class, clause) MQTT_FAULT_##suffix,
    MQTT_FAULTS(X)
#undef X
        MQTT_FAULT_COUNT
};

/* The log word of a fault ("reserved_flag") and the clause it breaks. Never null. */
const char *mqtt_fault_word(enum mqtt_fault fault);
const char *mqtt_fault_clause(enum mqtt_fault fault);

/* Fixed header (5 bytes at most) plus the largest configurable CONNECT. */
#define MQTT_CONNECT_MAX_BYTES_DEFAULT 65536u
#define MQTT_CONNECT_MAX_BYTES_LIMIT   1048576u

/*
 * A CONNECT being read, and what it said.
 *
 * The reader resumes where it stopped, so that a packet that arrives byte by byte costs
 * as much as one that arrives whole. It keeps offsets, never pointers: the caller's
 * buffer may move between two calls.
 */
struct mqtt_connect {
    /* what it said; all of it after PARSE_DONE, before that as far as it was read */
    uint8_t version;           /* 3, 4 or 5; 0 until the protocol level was read and known */
    bool bridge;               /* Mosquitto's bridge bit was set */
    bool clean_start;          /* clean session in 3.1 and 3.1.1 */
    bool has_will;             /* will flag */
    bool has_username;         /* user name flag */
    uint16_t keep_alive_s;     /* seconds; 0 = off */
    uint32_t session_expiry_s; /* 5.0 property 0x11; 0 when absent */
    uint32_t max_packet_size;  /* 5.0 property 0x27, bytes; 0 when absent = no limit */
    enum mqtt_fault fault;     /* PARSE_BAD: the rule that broke first */
    uint8_t level;             /* the protocol level byte as it came, bridge bit and all */
    bool level_seen;           /* `level` was read, after a known protocol name */
    bool name_is_mqisdp;       /* the protocol name was "MQIsdp" */

    /* offsets into the caller's buffer; length 0 and offset 0 when absent */
    uint32_t client_id_at, client_id_n;
    uint32_t username_at, username_n;
    uint32_t packet_n; /* the whole packet, fixed header included; 0 until known */

    /* the reader's own */
    uint32_t max_bytes; /* limits.connect_max_bytes */
    bool lenient;
    uint8_t step;            /* the next field to read */
    uint8_t flags;           /* connect flags */
    bool in_will_properties; /* which of the two property lists is being walked */
    uint32_t at;             /* offset of the next unread field */
    uint32_t checked;        /* offset up to which the current string's UTF-8 was checked */
    uint32_t properties_end; /* end of the property list being walked */
    uint64_t properties_seen; /* bit per property identifier, for duplicates */
};

/*
 * Get ready to read.
 *
 *   lenient    leave SEMANTIC faults to the broker
 *   max_bytes  largest whole packet taken, 1..MQTT_CONNECT_MAX_BYTES_LIMIT
 */
void mqtt_connect_init(struct mqtt_connect *c, bool lenient, uint32_t max_bytes);

/*
 * Read on.
 *
 *   p, n   all bytes received so far, from the very first one; n may be 0, never
 *          shrinks between calls; the memory may have moved
 *
 * PARSE_DONE  c->packet_n <= n; bytes behind packet_n were pipelined by the client
 * PARSE_MORE  a longer prefix could still be valid. c->packet_n, once not 0, says how
 *             many bytes the whole packet needs (never more than max_bytes)
 * PARSE_BAD   no continuation is valid, said on the earliest byte that proves it;
 *             c->fault says which rule broke. Calling again answers the same.
 */
MUST_USE enum parse_result mqtt_connect_read(struct mqtt_connect *c, const uint8_t *p, size_t n);

/* The client identifier and the user name inside p; the user name is absent without its flag. */
struct span mqtt_connect_client_id(const struct mqtt_connect *c, const uint8_t *p);
struct span mqtt_connect_username(const struct mqtt_connect *c, const uint8_t *p);

#endif
