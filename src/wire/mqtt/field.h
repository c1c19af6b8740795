/*
 * field.h - parse MQTT field encodings incrementally.
 *
 * Each function returns what the available bytes determine, so that an invalid field can be
 * rejected before it is complete.
 *
 * Source: MQTT 5.0 section 1.5.
 */
#ifndef WIRE_MQTT_FIELD_H
#define WIRE_MQTT_FIELD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/parse.h"
#include "base/reader.h"

#define MQTT_STRING_MAX 65535u /* bytes, without the two length bytes */

/* Lengths that are still possible; min == max when the length is known. */
struct mqtt_range {
    uint32_t min, max;
};

/* Read the two-byte length of a string or binary data; 0 to 2 of its bytes are available. */
static inline struct mqtt_range mqtt_string_length(struct reader rd)
{
    size_t left = reader_left(&rd);

    if (left >= 2) {
        uint32_t n = reader_u16_be(&rd);
        return (struct mqtt_range){n, n};
    }
    if (left == 1) {
        uint32_t high = (uint32_t)reader_u8(&rd) << 8;
        return (struct mqtt_range){high, high | 0xff};
    }
    return (struct mqtt_range){0, MQTT_STRING_MAX};
}

/* A variable byte integer, possibly incomplete. */
struct mqtt_varint {
    uint32_t value; /* a lower bound while incomplete */
    uint8_t n;      /* bytes read */
    bool minimal;   /* complete, and encoded in as few bytes as possible */
};

/*
 * Read a variable byte integer. PARSE_DONE: complete; PARSE_MORE: incomplete; PARSE_BAD: longer
 * than four bytes. *out is always set.
 */
static inline enum parse_result mqtt_varint_read(struct reader rd, struct mqtt_varint *out)
{
    *out = (struct mqtt_varint){0};
    while (reader_left(&rd) > 0) {
        uint8_t b = reader_u8(&rd);
        out->value |= (uint32_t)(b & 0x7f) << (7 * out->n);
        out->n++;
        if (b < 0x80) {
            out->minimal = b != 0 || out->n == 1;
            return PARSE_DONE;
        }
        if (out->n == 4)
            return PARSE_BAD;
    }
    return PARSE_MORE;
}

#endif
