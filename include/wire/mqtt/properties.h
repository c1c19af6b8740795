/*
 * properties.h - parse the properties of an MQTT 5.0 CONNECT and its will.
 *
 * Parsing can be resumed, like that of a CONNECT. Paho provides the type of each property
 * (MQTTProperty_getType); where it is allowed, how often, and its value are checked here.
 *
 * Pure: no allocation, no I/O, no clock; safe to call from any thread.
 * Source: MQTT 5.0 sections 2.2.2, 3.1.2.11 and 3.1.3.2.
 */
#ifndef WIRE_MQTT_PROPERTIES_H
#define WIRE_MQTT_PROPERTIES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/parse.h"
#include "base/span.h"
#include "base/util.h"
#include "fault.h"

struct mqtt_properties {
    /* content so far; if a property is repeated, the first one counts */
    uint32_t session_expiry_s;    /* 0x11; 0 when absent */
    uint32_t max_packet_size;     /* 0x27, bytes; 0 when absent */
    bool has_server_keep_alive;   /* 0x13; only in a CONNACK, parsed in lenient mode */
    uint16_t server_keep_alive_s; /* 0x13, seconds */
    enum mqtt_fault fault;        /* PARSE_BAD: the violated rule */

    /* private */
    bool in_will;       /* properties of the will, not of the CONNECT */
    bool lenient;       /* leave SEMANTIC faults to the broker */
    bool repeated;      /* the current property is a repetition */
    bool second;        /* the second string of a pair is next */
    uint8_t id;         /* current property; 0 = an identifier is next */
    uint8_t type;       /* type of the current property, as numbered by Paho */
    uint32_t at;        /* offset of the next unread field */
    uint32_t end;       /* offset of the first byte after the list */
    uint32_t value_end; /* end of the current string; 0 = its length is next */
    uint32_t checked;   /* bytes of the current string known to be valid UTF-8 */
    uint64_t seen;      /* one bit per property identifier */
};

/* Initialize the parser for the list in [at, end), offsets into the caller's buffer. */
void mqtt_properties_init(struct mqtt_properties *w, bool in_will, bool lenient, uint32_t at,
                          uint32_t end);

/*
 * Continue parsing. `in` contains all bytes received so far; bytes after the list are ignored.
 *
 * PARSE_DONE  the whole list has been parsed
 * PARSE_MORE  valid so far; call again with more bytes
 * PARSE_BAD   invalid; w->fault is the violated rule. Returned at the first byte that violates it
 */
MUST_USE enum parse_result mqtt_properties_read(struct mqtt_properties *w, struct span in);

/* True if properties can fill the last `left` bytes of a list. Each has at least two bytes. */
static inline bool mqtt_properties_fit(uint32_t left)
{
    return left != 1;
}

#endif
