/*
 * connect_head.c - parse the fields of a CONNECT before its properties and strings.
 */
#include "connect_step.h"

#include <string.h>

#include "base/reader.h"
#include "field.h"

#define BRIDGE_BIT 0x80

/* Minimum remaining length: name, level, flags, keep alive, empty client identifier. */
#define REMAINING_LENGTH_MIN        12u /* "MQTT" without properties */
#define REMAINING_LENGTH_MIN_MQISDP 14u

static enum parse_result read_type(struct mqtt_connect *c, struct span in)
{
    struct reader rd = reader_from(in, c->at);
    uint8_t b = reader_u8(&rd);

    if (rd.cut)
        return PARSE_MORE;
    if ((b >> 4) != 1 && connect_refuse(c, MQTT_FAULT_NOT_CONNECT))
        return PARSE_BAD;
    c->type_flags = b & 0x0f;
    return connect_go(c, rd.at, STEP_LENGTH);
}

/*
 * MQTT 3.1 ignores the flags of the first byte (section 3.1). In 3.1.1 and 5.0 they must be 0.
 * A protocol name other than "MQIsdp", or a remaining length too short for it, rules out 3.1.
 */
static bool type_flags_are_valid(struct mqtt_connect *c, bool may_be_31)
{
    return may_be_31 || !c->type_flags || !connect_refuse(c, MQTT_FAULT_FIXED_HEADER_FLAGS);
}

static enum parse_result read_length(struct mqtt_connect *c, struct span in)
{
    struct mqtt_varint v;
    enum parse_result result = mqtt_varint_read(reader_from(in, c->at), &v);

    if (result == PARSE_BAD)
        (void)connect_refuse(c, MQTT_FAULT_LENGTH_MALFORMED);
    if (result != PARSE_DONE)
        return result;
    if (v.value < REMAINING_LENGTH_MIN && connect_refuse(c, MQTT_FAULT_FIELD_OVERRUN))
        return PARSE_BAD;
    if (!type_flags_are_valid(c, v.value >= REMAINING_LENGTH_MIN_MQISDP))
        return PARSE_BAD;
    c->length_minimal = v.minimal;
    c->end = c->at + v.n + v.value;
    /* If too large, packet_n stays 0, so the caller allocates nothing. read_level() rejects it. */
    if (c->end <= c->max_bytes)
        c->packet_n = c->end;
    return connect_go(c, c->at + v.n, STEP_NAME);
}

static enum parse_result read_name(struct mqtt_connect *c, struct span in)
{
    static const uint8_t mqtt[] = {0, 4, 'M', 'Q', 'T', 'T'};
    static const uint8_t mqisdp[] = {0, 6, 'M', 'Q', 'I', 's', 'd', 'p'};
    struct reader rd = reader_from(in, c->at);
    size_t left = reader_left(&rd);

    if (left == 0)
        return PARSE_MORE;
    bool is_mqisdp = left >= 2 && in.p[c->at + 1] == mqisdp[1];
    const uint8_t *name = is_mqisdp ? mqisdp : mqtt;
    size_t n = is_mqisdp ? sizeof(mqisdp) : sizeof(mqtt);
    /* [MQTT-3.1.2-1]; check its length first, which also determines the required room */
    if (memcmp(in.p + c->at, name, size_min(left, 2)) != 0 &&
        connect_refuse(c, MQTT_FAULT_PROTOCOL_NAME))
        return PARSE_BAD;
    if (left >= 2 && !type_flags_are_valid(c, is_mqisdp))
        return PARSE_BAD;
    if (left >= 2 && !connect_room_after(c, c->at + n, STEP_LEVEL))
        return PARSE_BAD;
    if (memcmp(in.p + c->at, name, size_min(left, n)) != 0 &&
        connect_refuse(c, MQTT_FAULT_PROTOCOL_NAME))
        return PARSE_BAD;
    if (left < n)
        return PARSE_MORE;
    c->name_is_mqisdp = is_mqisdp;
    return connect_go(c, c->at + n, STEP_LEVEL);
}

/* Return the MQTT version for the protocol name and level; 0 = unknown. */
static uint8_t version_of(const struct mqtt_connect *c)
{
    uint8_t plain = c->level & (uint8_t)~BRIDGE_BIT;

    if (c->name_is_mqisdp)
        return plain == 3 ? 3 : 0;
    return plain == 4 || c->level == 5 ? plain : 0;
}

static enum parse_result read_level(struct mqtt_connect *c, struct span in)
{
    struct reader rd = reader_from(in, c->at);
    uint8_t level = reader_u8(&rd);

    if (rd.cut)
        return PARSE_MORE;
    c->level = level;
    c->level_seen = true;
    c->version = version_of(c);
    c->bridge = c->version != 0 && (level & BRIDGE_BIT);
    if (c->version == 0 && connect_refuse(c, MQTT_FAULT_PROTOCOL_LEVEL)) /* [MQTT-3.1.2-2] */
        return PARSE_BAD;
    if (c->packet_n == 0 && connect_refuse(c, MQTT_FAULT_TOO_LARGE))
        return PARSE_BAD;
    if (c->version == 5 && !c->length_minimal && connect_refuse(c, MQTT_FAULT_LENGTH_NOT_MINIMAL))
        return PARSE_BAD;
    if (!connect_room_after(c, rd.at, STEP_FLAGS))
        return PARSE_BAD;
    return connect_go(c, rd.at, STEP_FLAGS);
}

/* Check the connect flags. 3.1 allows the reserved flag, and will flags without a will. */
static bool flags_are_valid(struct mqtt_connect *c)
{
    const bool stray_will = !c->has_will && connect_has(c, FLAG_WILL_QOS | FLAG_WILL_RETAIN);
    const bool qos_3 = c->has_will && (c->flags & FLAG_WILL_QOS) == FLAG_WILL_QOS;
    const bool stray_password = connect_has(c, FLAG_PASSWORD) && !connect_has(c, FLAG_USERNAME);

    if (c->version != 3 && connect_has(c, FLAG_RESERVED) &&
        connect_refuse(c, MQTT_FAULT_RESERVED_FLAG))
        return false;
    if (c->version != 3 && stray_will && connect_refuse(c, MQTT_FAULT_WILL_FLAGS))
        return false;
    if (qos_3 && connect_refuse(c, MQTT_FAULT_WILL_QOS))
        return false;
    if (c->version != 5 && stray_password &&
        connect_refuse(c, MQTT_FAULT_PASSWORD_WITHOUT_USERNAME))
        return false;
    return true;
}

static enum parse_result read_flags(struct mqtt_connect *c, struct span in)
{
    struct reader rd = reader_from(in, c->at);
    uint8_t flags = reader_u8(&rd);

    if (rd.cut)
        return PARSE_MORE;
    c->flags = flags;
    c->clean_start = connect_has(c, FLAG_CLEAN);
    c->has_will = connect_has(c, FLAG_WILL);
    c->has_username = connect_has(c, FLAG_USERNAME);
    if (!flags_are_valid(c))
        return PARSE_BAD;
    const uint32_t between = c->version == 5 ? 2 + 1 : 2; /* keep alive, properties */
    if (!connect_room_after(c, rd.at + between, STEP_CLIENT_ID))
        return PARSE_BAD;
    return connect_go(c, rd.at, STEP_KEEP_ALIVE);
}

static enum parse_result read_keep_alive(struct mqtt_connect *c, struct span in)
{
    struct reader rd = reader_from(in, c->at);
    uint16_t seconds = reader_u16_be(&rd);

    if (rd.cut)
        return PARSE_MORE;
    c->keep_alive_s = seconds;
    return connect_go(c, rd.at, c->version == 5 ? STEP_PROPERTIES : STEP_CLIENT_ID);
}

enum parse_result connect_read_head(struct mqtt_connect *c, struct span in)
{
    switch ((enum connect_step)c->step) {
    case STEP_TYPE:
        return read_type(c, in);
    case STEP_LENGTH:
        return read_length(c, in);
    case STEP_NAME:
        return read_name(c, in);
    case STEP_LEVEL:
        return read_level(c, in);
    case STEP_FLAGS:
        return read_flags(c, in);
    default:
        return read_keep_alive(c, in);
    }
}
