/*
 * connack_read.c - look at the CONNACK of a node.
 *
 *    0x20 | remaining length | flags | code | 5.0: property length, properties
 */
#include "field.h"
#include "wire/mqtt/connack.h"
#include "wire/mqtt/properties.h"

#define CONNACK_TYPE 0x20u

/* The properties in [at, end) of a whole packet. */
static enum parse_result read_properties(struct span in, size_t at, size_t end,
                                         struct mqtt_connack *out)
{
    struct mqtt_varint length;
    struct mqtt_properties walk;

    in.n = end;
    if (mqtt_varint_read(reader_from(in, at), &length) != PARSE_DONE)
        return PARSE_BAD;
    at += length.n;
    if (length.value != end - at || !mqtt_properties_fit(length.value))
        return PARSE_BAD;
    mqtt_properties_init(&walk, false, true, (uint32_t)at, (uint32_t)end);
    if (mqtt_properties_read(&walk, in) != PARSE_DONE)
        return PARSE_BAD;
    out->has_server_keep_alive = walk.has_server_keep_alive;
    out->server_keep_alive_s = walk.server_keep_alive_s;
    return PARSE_DONE;
}

enum parse_result mqtt_connack_read(struct span in, uint8_t version, struct mqtt_connack *out)
{
    struct mqtt_connack connack = {0};
    struct mqtt_varint remaining;

    if (in.n == 0)
        return PARSE_MORE;
    if (in.p[0] != CONNACK_TYPE)
        return PARSE_BAD;
    enum parse_result result = mqtt_varint_read(reader_from(in, 1), &remaining);
    if (result != PARSE_DONE)
        return result;
    if (version == 5 ? remaining.value < 3 : remaining.value != 2)
        return PARSE_BAD;
    size_t at = 1u + remaining.n, end = at + remaining.value;
    if (in.n < end)
        return PARSE_MORE;
    if (in.p[at] > 1)
        return PARSE_BAD; /* reserved bits [MQTT-3.2.2-1] */
    connack.session_present = in.p[at];
    connack.code = in.p[at + 1];
    if (version == 5) {
        result = read_properties(in, at + 2, end, &connack);
        if (result != PARSE_DONE)
            return result;
    }
    *out = connack;
    return PARSE_DONE;
}
