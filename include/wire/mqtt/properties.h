/*
 * properties.h - walk the properties of an MQTT 5.0 CONNECT, and of its will.
 *
 * Resumes where it stopped, like the CONNECT reader it serves. Identifiers and types are
 * Paho's (MQTTProperty_getType); which of them may stand where, how often and with which
 * values is decided here.
 *
 * Pure: no allocation, no I/O, no clock; safe from any thread.
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
    /* what it said, as far as it was read; the first one counts where one is repeated */
    uint32_t session_expiry_s;    /* 0x11; 0 when absent */
    uint32_t max_packet_size;     /* 0x27, bytes; 0 when absent */
    bool has_server_keep_alive;   /* 0x13, in a CONNACK walked leniently */
    uint16_t server_keep_alive_s; /* 0x13, seconds */
    enum mqtt_fault fault;        /* PARSE_BAD: the rule that broke */

    /* private */
    bool in_will;       /* will properties, not CONNECT's */
    bool lenient;       /* leave SEMANTIC faults to the broker */
    bool repeated;      /* the property being read came before in this list */
    bool second;        /* reading the second string of a pair */
    uint8_t id;         /* the property being read; 0 = its identifier comes next */
    uint8_t type;       /* of that property, as Paho numbers types */
    uint32_t at;        /* offset of the next unread field */
    uint32_t end;       /* offset of the first byte behind the list */
    uint32_t value_end; /* end of the string being read; 0 = its length comes next */
    uint32_t checked;   /* how many of that string's bytes are known to be good UTF-8 */
    uint64_t seen;      /* bit per property identifier */
};

/* Get ready to walk the list in [at, end), offsets into the caller's buffer. */
void mqtt_properties_init(struct mqtt_properties *w, bool in_will, bool lenient, uint32_t at,
                          uint32_t end);

/*
 * Walk on. `in` is all bytes received so far; bytes at and behind the list's end are not
 * looked at.
 *
 * PARSE_DONE  the list ends at w->end, and every byte of it was read
 * PARSE_MORE  call again with more bytes
 * PARSE_BAD   w->fault says which rule broke, on the earliest byte that proves it
 */
MUST_USE enum parse_result mqtt_properties_read(struct mqtt_properties *w, struct span in);

/*
 * True when `left` bytes at the end of a list can be properties, before any of them was
 * seen: no property is shorter than two bytes.
 */
static inline bool mqtt_properties_fit(uint32_t left)
{
    return left != 1;
}

#endif
