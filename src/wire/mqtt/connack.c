/*
 * connack.c - compose a CONNACK that rejects a client, and parse the CONNACK of a node.
 *
 * A rejection has session present 0 and no properties, so it has 4 bytes in 3.x and 5 in 5.0.
 * Session present, the code and Server Keep Alive are read from the CONNACK of a node.
 *
 *    0x20 | remaining length | flags | code | 5.0: property length, properties
 */
#include "wire/mqtt/connack.h"

#include <assert.h>
#include <string.h>

#include "field.h"
#include "wire/mqtt/properties.h"

#define CONNACK_TYPE 0x20u

/* The CONNACK formats of 3.1 and 3.1.1, and of 5.0. */
enum form { FORM_NONE, FORM_3, FORM_5 };

static const uint8_t return_code[] = {
#define X(suffix, rc3, rc5) rc3,
    MQTT_REFUSALS(X)
#undef X
};

static const uint8_t reason_code[] = {
#define X(suffix, rc3, rc5) rc5,
    MQTT_REFUSALS(X)
#undef X
};

_Static_assert(ARRAY_LEN(return_code) == MQTT_REFUSAL_COUNT, "every refusal has a code");
_Static_assert(ARRAY_LEN(reason_code) == MQTT_REFUSAL_COUNT, "every refusal has a code");

static enum form form_for(const struct mqtt_connect *c)
{
    if (c->version != 0)
        return c->version == 5 ? FORM_5 : FORM_3;
    if (!c->level_seen)
        return FORM_NONE;
    /* A client of a later version may understand 5.0; the bridge bit is not part of the level. */
    return !c->name_is_mqisdp && (c->level & 0x7f) > 4 ? FORM_5 : FORM_3;
}

size_t mqtt_connack_refuse(const struct mqtt_connect *c, enum mqtt_refusal refusal, uint8_t *out)
{
    assert(refusal < MQTT_REFUSAL_COUNT);
    const uint8_t form_3[] = {0x20, 2, 0, return_code[refusal]};
    const uint8_t form_5[] = {0x20, 3, 0, reason_code[refusal], 0};

    switch (form_for(c)) {
    case FORM_NONE:
        break;
    case FORM_3:
        if (return_code[refusal] == 0) /* would mean "accepted" */
            break;
        memcpy(out, form_3, sizeof(form_3));
        return sizeof(form_3);
    case FORM_5:
        /* [MQTT-3.1.2-24]; 0 = absent, or the protocol error that is being rejected */
        if (c->max_packet_size != 0 && c->max_packet_size < sizeof(form_5))
            break;
        memcpy(out, form_5, sizeof(form_5));
        return sizeof(form_5);
    }
    return 0;
}

/* MQTT 5.0 defines which faults are Protocol Errors; all others are Malformed Packets. */
static enum mqtt_refusal refusal_for(enum mqtt_fault fault)
{
    switch (fault) {
    case MQTT_FAULT_TOO_LARGE:
        return MQTT_REFUSAL_PACKET_TOO_LARGE;
    case MQTT_FAULT_PROTOCOL_LEVEL:
        return MQTT_REFUSAL_UNSUPPORTED_VERSION;
    case MQTT_FAULT_CLIENT_ID_EMPTY: /* 3.1.1: [MQTT-3.1.3-9] */
        return MQTT_REFUSAL_CLIENT_ID_INVALID;
    case MQTT_FAULT_PROPERTY_DUPLICATE:
    case MQTT_FAULT_PROPERTY_VALUE:
    case MQTT_FAULT_AUTH_DATA_WITHOUT_METHOD:
        return MQTT_REFUSAL_PROTOCOL_ERROR;
    default:
        return MQTT_REFUSAL_MALFORMED;
    }
}

size_t mqtt_connack_for_fault(const struct mqtt_connect *c, uint8_t *out)
{
    return mqtt_connack_refuse(c, refusal_for(c->fault), out);
}

static enum mqtt_connack_subject subject_of_return_code(uint8_t code)
{
    switch (code) {
    case 0:
        return MQTT_CONNACK_ACCEPTED;
    case 2:
    case 4:
    case 5:
        return MQTT_CONNACK_ABOUT_DEVICE;
    case 3:
        return MQTT_CONNACK_ABOUT_NODE;
    default:
        return MQTT_CONNACK_ABOUT_OTHER;
    }
}

enum mqtt_connack_subject mqtt_connack_subject(uint8_t version, uint8_t code)
{
    if (version != 5)
        return subject_of_return_code(code);
    switch (code) {
    case 0x00:
        return MQTT_CONNACK_ACCEPTED;
    case 0x85:
    case 0x86:
    case 0x87:
    case 0x8a:
    case 0x8c:
        return MQTT_CONNACK_ABOUT_DEVICE;
    case 0x88:
    case 0x89:
    case 0x9c:
    case 0x9d:
        return MQTT_CONNACK_ABOUT_NODE;
    default:
        return MQTT_CONNACK_ABOUT_OTHER;
    }
}

/* Parse the properties in [at, end) of a complete packet. */
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
