/*
 * connect.h - parse the first MQTT control packet of a connection: CONNECT.
 *
 * Supports MQTT 3.1 ("MQIsdp", 3), 3.1.1 ("MQTT", 4) and 5.0 ("MQTT", 5), and Mosquitto's bridge
 * bit for the first two (0x83, 0x84).
 *
 * Where the standards leave a choice, this parser
 *   accepts   all versions: discouraged code points (control characters, noncharacters) in any
 *             string; a will topic that is empty or has wildcards (left to the broker)
 *             3.1: any fixed header flags (first byte 0x10 to 0x1F), connect flag bit 0, will QoS
 *             and will retain without a will, client identifiers longer than 23 bytes
 *             3.x: a remaining length that is not minimal
 *   rejects   3.1 too: strings that are not UTF-8 or contain U+0000, bytes after the last field, a
 *             password without a user name
 *             5.0: Payload Format Indicator above 1
 *
 * In 3.1 a user name or password may be missing although its flag is set (MQTT V3.1 section 3.1,
 * "the Remaining Length field takes precedence"). It is then absent.
 *
 * Pure: no allocation, no I/O, no clock; safe to call from any thread.
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
#include "fault.h"
#include "properties.h"

/* limits.connect_max_bytes: maximum packet size, including the fixed header. */
#define MQTT_CONNECT_MAX_BYTES_DEFAULT 65536u
#define MQTT_CONNECT_MAX_BYTES_LIMIT   1048576u

/* Maximum size of the fixed header, protocol name and level: bytes needed while packet_n is 0. */
#define MQTT_CONNECT_HEAD_MAX 14u

/*
 * State and result of parsing a CONNECT.
 *
 * A packet that arrives byte by byte costs no more than one that arrives whole. The state keeps
 * offsets instead of pointers, so the caller's buffer may move between calls.
 */
struct mqtt_connect {
    /* content as far as parsed; complete after PARSE_DONE */
    uint8_t version;           /* 3, 4 or 5; 0 until a known protocol level is read */
    bool bridge;               /* Mosquitto's bridge bit was set */
    bool clean_start;          /* clean session in 3.1 and 3.1.1 */
    bool has_will;             /* will flag */
    bool has_username;         /* user name flag is set and the user name is present */
    uint16_t keep_alive_s;     /* seconds; 0 = off */
    uint32_t session_expiry_s; /* 5.0 property 0x11; 0 when absent */
    uint32_t max_packet_size;  /* 5.0 property 0x27, bytes; 0 when absent (no limit) */
    enum mqtt_fault fault;     /* PARSE_BAD: the first violated rule */
    uint8_t level;             /* the protocol level byte, including the bridge bit */
    bool level_seen;           /* `level` has been read, after a known protocol name */
    bool name_is_mqisdp;       /* the protocol name was "MQIsdp" */

    /* offsets into the caller's buffer; offset and length are 0 if absent or not yet read */
    uint32_t client_id_at, client_id_n;
    uint32_t username_at, username_n;
    uint32_t packet_n; /* size of the packet including its fixed header; 0 until known */

    /* private */
    uint32_t max_bytes; /* limits.connect_max_bytes */
    bool lenient;
    bool type_flags;                   /* the fixed header has flags set: valid in 3.1 only */
    bool length_minimal;               /* the remaining length uses the fewest possible bytes */
    bool field_open;                   /* the length of the current field has been read */
    uint8_t step;                      /* the field being read */
    uint8_t flags;                     /* connect flags */
    uint32_t at;                       /* offset of the unread part of the current field */
    uint32_t end;                      /* end of the packet, even if too large */
    uint32_t field_end;                /* end of the current field, if field_open */
    uint32_t checked;                  /* bytes of the current field known to be valid UTF-8 */
    struct mqtt_properties properties; /* the property list being parsed */
};

/*
 * Initialize the parser.
 *
 *   lenient    leave SEMANTIC faults to the broker
 *   max_bytes  maximum packet size, 1..MQTT_CONNECT_MAX_BYTES_LIMIT
 */
void mqtt_connect_init(struct mqtt_connect *c, bool lenient, uint32_t max_bytes);

/*
 * Continue parsing.
 *
 *   p, n   all bytes received so far; n may be 0 and never decreases; p may change between calls
 *
 * PARSE_DONE  c->packet_n <= n; bytes after packet_n were pipelined by the client
 * PARSE_MORE  valid so far. c->packet_n is the size of the packet (at most max_bytes), or 0 if not
 *             known yet; then MQTT_CONNECT_HEAD_MAX bytes are enough to continue
 * PARSE_BAD   invalid; c->fault is the violated rule. Returned at the first byte that violates it:
 *             a length that leaves too little room for the required fields is rejected when it is
 *             read. Further calls return the same result.
 *
 * The result and the public members of *c do not depend on how the input is split.
 * FIXED_HEADER_FLAGS is reported once the remaining length or the length of the protocol name rules
 * out 3.1. Two faults are reported later than possible: TOO_LARGE at the protocol level, at most
 * nine bytes after the remaining length, because the level selects the CONNACK (5.0: reason code
 * 0x95); TRAILING_BYTES at the first extra byte.
 */
MUST_USE enum parse_result mqtt_connect_read(struct mqtt_connect *c, const uint8_t *p, size_t n);

/* Return the client identifier or the user name, as a span into p; absent if not in the packet. */
struct span mqtt_connect_client_id(const struct mqtt_connect *c, const uint8_t *p);
struct span mqtt_connect_username(const struct mqtt_connect *c, const uint8_t *p);

#endif
