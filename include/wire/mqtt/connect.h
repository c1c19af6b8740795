/*
 * connect.h - read the first MQTT control packet of a connection: CONNECT.
 *
 * Covers MQTT 3.1 ("MQIsdp", 3), 3.1.1 ("MQTT", 4), 5.0 ("MQTT", 5), and Mosquitto's
 * bridge bit on the first two (0x83, 0x84).
 *
 * Where the standards leave a choice, this parser
 *   accepts   discouraged code points (control characters, noncharacters) in any text;
 *             wildcards in a will topic, an empty will topic: the broker's business;
 *             in 3.1: any fixed header flags (first byte 0x10 to 0x1F), connect flag bit 0,
 *             will QoS and will retain without a will, client identifiers longer than 23
 *             bytes; in 3.x: a remaining length with bytes to spare
 *   refuses   in 3.1 too: text that is not UTF-8 or has U+0000 in it, bytes behind the last
 *             field, a password without a user name; in 5.0: Payload Format Indicator above 1
 * A user name or password that its 3.1 flag announces may be missing (MQTT V3.1 section
 * 3.1, "the Remaining Length field takes precedence"): it is then absent.
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
#include "fault.h"
#include "properties.h"

/* limits.connect_max_bytes: the whole packet, fixed header included. */
#define MQTT_CONNECT_MAX_BYTES_DEFAULT 65536u
#define MQTT_CONNECT_MAX_BYTES_LIMIT   1048576u

/* Fixed header, protocol name and level: while packet_n is 0, no more bytes are asked for. */
#define MQTT_CONNECT_HEAD_MAX 14u

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
    bool has_username;         /* user name flag, and the user name is there */
    uint16_t keep_alive_s;     /* seconds; 0 = off */
    uint32_t session_expiry_s; /* 5.0 property 0x11; 0 when absent */
    uint32_t max_packet_size;  /* 5.0 property 0x27, bytes; 0 when absent = no limit */
    enum mqtt_fault fault;     /* PARSE_BAD: the rule that broke first */
    uint8_t level;             /* the protocol level byte as it came, bridge bit and all */
    bool level_seen;           /* `level` was read, after a known protocol name */
    bool name_is_mqisdp;       /* the protocol name was "MQIsdp" */

    /* offsets into the caller's buffer; length 0 and offset 0 when absent or not yet read */
    uint32_t client_id_at, client_id_n;
    uint32_t username_at, username_n;
    uint32_t packet_n; /* the whole packet, fixed header included; 0 until known */

    /* private */
    uint32_t max_bytes; /* limits.connect_max_bytes */
    bool lenient;
    bool type_flags;     /* a flag of the fixed header is set: right in 3.1 only */
    bool length_minimal; /* the remaining length was written in as few bytes as can be */
    bool field_open;     /* the current field's length was read */
    uint8_t step;        /* the field being read */
    uint8_t flags;       /* connect flags */
    uint32_t at;         /* offset of the next unread byte of a field */
    uint32_t end;        /* end of the packet, also when that is too large */
    uint32_t field_end;  /* end of the current field, once open */
    uint32_t checked;    /* how many of its bytes are known to be good UTF-8 */
    struct mqtt_properties properties; /* the list being walked */
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
 *   p, n   all bytes received so far, from the first one; n may be 0 and never shrinks; the memory
 * may have moved
 *
 * PARSE_DONE  c->packet_n <= n; bytes behind packet_n were pipelined by the client
 * PARSE_MORE  a longer prefix could still be valid. c->packet_n, once not 0, says how
 *             many bytes the whole packet needs (never more than max_bytes); as long as it
 *             is 0, MQTT_CONNECT_HEAD_MAX bytes are enough to go on
 * PARSE_BAD   no continuation is valid, said on the earliest byte that breaks a rule: a
 *             length that leaves too little room for the fields that have to follow is
 *             refused when it is read. c->fault says which rule broke. Calling again
 *             answers the same.
 *
 * The answer, and all of *c that is not private, is the same however the bytes
 * were cut. FIXED_HEADER_FLAGS is found on the length of the protocol name, which rules out
 * 3.1. Two faults wait for a byte that could be known to come: TOO_LARGE for the
 * protocol level, at most nine bytes behind the remaining length, because only the level
 * selects the answer (5.0: reason code 0x95); TRAILING_BYTES for the first byte too many.
 */
MUST_USE enum parse_result mqtt_connect_read(struct mqtt_connect *c, const uint8_t *p, size_t n);

/* The client identifier and the user name inside p; the user name is absent without its flag. */
struct span mqtt_connect_client_id(const struct mqtt_connect *c, const uint8_t *p);
struct span mqtt_connect_username(const struct mqtt_connect *c, const uint8_t *p);

#endif
