/*
 * connect.c - parse the first MQTT control packet of a connection: CONNECT.
 *
 * There is one step per field, in packet order. A step that runs out of bytes is repeated when more
 * arrive. Lengths are checked against the end of the packet as soon as they are known
 * (connect_room_after()), so no field extends past it, and bytes pipelined after the packet are
 * never read. The content of passwords and will payloads is not checked.
 *
 *    type, length, name, level, flags, keep alive          the head
 *    [properties] client id [[will properties] will topic, will payload] [user] [password]
 */
#include "wire/mqtt/connect.h"

#include <assert.h>
#include <string.h>

#include "base/reader.h"
#include "base/utf8.h"
#include "field.h"

/* The fields in packet order. */
enum connect_step {
    STEP_TYPE,
    STEP_LENGTH,
    STEP_NAME,
    STEP_LEVEL,
    STEP_FLAGS,
    STEP_KEEP_ALIVE,
    STEP_PROPERTIES,
    STEP_CLIENT_ID,
    STEP_WILL_PROPERTIES,
    STEP_WILL_TOPIC,
    STEP_WILL_PAYLOAD,
    STEP_USERNAME,
    STEP_PASSWORD,
    STEP_END, /* no bytes may follow the last field */
    STEP_DONE
};

enum {
    FLAG_RESERVED = 0x01,
    FLAG_CLEAN = 0x02,
    FLAG_WILL = 0x04,
    FLAG_WILL_QOS = 0x18,
    FLAG_WILL_RETAIN = 0x20,
    FLAG_PASSWORD = 0x40,
    FLAG_USERNAME = 0x80
};

#define BRIDGE_BIT 0x80

/* Minimum remaining length: name, level, flags, keep alive, empty client identifier. */
#define REMAINING_LENGTH_MIN        12u /* "MQTT" without properties */
#define REMAINING_LENGTH_MIN_MQISDP 14u

/* Record a fault, unless lenient mode leaves it to the broker. Returns true if recorded. */
static bool connect_refuse(struct mqtt_connect *c, enum mqtt_fault fault)
{
    if (c->lenient && !mqtt_fault_is_framing(fault))
        return false;
    c->fault = fault;
    return true;
}

static bool connect_has(const struct mqtt_connect *c, uint8_t flag)
{
    return c->flags & flag;
}

/* Return the minimum size of the fields from `step` on, according to the flags. */
static uint32_t payload_min(const struct mqtt_connect *c, enum connect_step step)
{
    const uint32_t optional_min = c->version == 3 ? 0 : 2; /* may be missing in 3.1 */
    uint32_t sum = 0;

    if (step <= STEP_CLIENT_ID)
        sum += 2;
    if (step <= STEP_WILL_PROPERTIES && c->has_will && c->version == 5)
        sum += 1;
    if (step <= STEP_WILL_TOPIC && c->has_will)
        sum += 2;
    if (step <= STEP_WILL_PAYLOAD && c->has_will)
        sum += 2;
    if (step <= STEP_USERNAME && connect_has(c, FLAG_USERNAME))
        sum += optional_min;
    if (step <= STEP_PASSWORD && connect_has(c, FLAG_PASSWORD))
        sum += optional_min;
    return sum;
}

/* Return the minimum size from `step` to the client identifier, before the flags are known. */
static uint32_t head_min(const struct mqtt_connect *c, enum connect_step step)
{
    const uint32_t level = step <= STEP_LEVEL ? 1 : 0, properties = c->version == 5 ? 1 : 0;

    return level + 1 + 2 + properties + 2;
}

/* Check that the required fields from `next` on fit between offset `at` and the end. */
static bool connect_room_after(struct mqtt_connect *c, size_t at, enum connect_step next)
{
    uint32_t least = next <= STEP_FLAGS ? head_min(c, next) : payload_min(c, next);

    return at + least <= c->end || !connect_refuse(c, MQTT_FAULT_FIELD_OVERRUN);
}

/* Finish the current field and continue with `next`. */
static enum parse_result connect_go(struct mqtt_connect *c, size_t at, enum connect_step next)
{
    c->at = (uint32_t)at;
    c->step = (uint8_t)next;
    c->field_open = false;
    return PARSE_DONE;
}

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

/*
 * Parse the length of a property list. Each byte is checked separately, so that a length with two
 * faults reports the same fault however the input is split.
 */
static enum parse_result read_list_length(struct mqtt_connect *c, struct span in,
                                          enum connect_step next, struct mqtt_varint *v)
{
    enum parse_result result = PARSE_MORE;

    for (size_t n = 1; result == PARSE_MORE && c->at + n <= in.n; n++) {
        result = mqtt_varint_read(reader_from(span_of(in.p, c->at + n), c->at), v);
        /* An incomplete length needs another byte, and its value cannot decrease. */
        const uint32_t least = result == PARSE_MORE ? 1 + v->value : v->value;
        if (result == PARSE_BAD)
            (void)connect_refuse(c, MQTT_FAULT_LENGTH_MALFORMED);
        else if (!connect_room_after(c, c->at + n + least, next))
            result = PARSE_BAD;
    }
    return result;
}

static enum parse_result open_properties(struct mqtt_connect *c, struct span in,
                                         enum connect_step next)
{
    struct mqtt_varint v;
    enum parse_result result = read_list_length(c, in, next, &v);

    if (result != PARSE_DONE)
        return result;
    if (!v.minimal && connect_refuse(c, MQTT_FAULT_LENGTH_NOT_MINIMAL))
        return PARSE_BAD;
    if (!mqtt_properties_fit(v.value) && connect_refuse(c, MQTT_FAULT_PROPERTY_OVERRUN))
        return PARSE_BAD;
    c->at += v.n;
    c->field_open = true;
    mqtt_properties_init(&c->properties, c->step == STEP_WILL_PROPERTIES, c->lenient, c->at,
                         c->at + v.value);
    return PARSE_DONE;
}

static enum parse_result read_properties(struct mqtt_connect *c, struct span in,
                                         enum connect_step next)
{
    enum parse_result result = PARSE_DONE;

    if (!c->field_open)
        result = open_properties(c, in, next);
    if (result != PARSE_DONE)
        return result;
    result = mqtt_properties_read(&c->properties, in);
    if (c->step == STEP_PROPERTIES) {
        c->session_expiry_s = c->properties.session_expiry_s;
        c->max_packet_size = c->properties.max_packet_size;
    }
    if (result == PARSE_BAD)
        c->fault = c->properties.fault;
    return result == PARSE_DONE ? connect_go(c, c->properties.end, next) : result;
}

/* Parse the length of the string at c->at. PARSE_DONE: the length is known, and the string fits. */
static enum parse_result open_string(struct mqtt_connect *c, struct span in, enum connect_step next)
{
    struct mqtt_range length = mqtt_string_length(reader_from(in, c->at));

    if (!connect_room_after(c, c->at + 2 + length.min, next))
        return PARSE_BAD;
    if (length.min != length.max)
        return PARSE_MORE;
    c->at += 2;
    c->field_end = c->at + length.min;
    c->field_open = true;
    c->checked = 0;
    return PARSE_DONE;
}

/*
 * Parse a string or binary data; `next` is the step after it. `utf8` is the fault to report if the
 * string is not well-formed UTF-8, or NONE for binary data.
 * PARSE_DONE: the data is [c->at, c->field_end).
 */
static enum parse_result read_string(struct mqtt_connect *c, struct span in, enum connect_step next,
                                     enum mqtt_fault utf8)
{
    if (!c->field_open) {
        enum parse_result result = open_string(c, in, next);
        if (result != PARSE_DONE)
            return result;
    }
    if (utf8 != MQTT_FAULT_NONE && !c->lenient) {
        size_t checked = c->checked, here = size_min(in.n, c->field_end) - c->at;
        if (!utf8_check(in.p + c->at, here, c->field_end - c->at, &checked) &&
            connect_refuse(c, utf8))
            return PARSE_BAD;
        c->checked = (uint32_t)checked;
    }
    return in.n < c->field_end ? PARSE_MORE : PARSE_DONE;
}

static enum connect_step after_will(const struct mqtt_connect *c)
{
    if (connect_has(c, FLAG_USERNAME))
        return STEP_USERNAME;
    return connect_has(c, FLAG_PASSWORD) ? STEP_PASSWORD : STEP_END;
}

static enum connect_step after_client_id(const struct mqtt_connect *c)
{
    if (!c->has_will)
        return after_will(c);
    return c->version == 5 ? STEP_WILL_PROPERTIES : STEP_WILL_TOPIC;
}

static enum parse_result read_client_id(struct mqtt_connect *c, struct span in)
{
    const enum connect_step next = after_client_id(c);
    struct mqtt_range length = mqtt_string_length(reader_from(in, c->at));
    bool may_be_empty = c->version == 5 || (c->version == 4 && c->clean_start);

    /* Checked before the room, because this fault has its own CONNACK code [MQTT-3.1.3-8]. */
    if (!c->field_open && length.max == 0 && !may_be_empty &&
        connect_refuse(c, MQTT_FAULT_CLIENT_ID_EMPTY))
        return PARSE_BAD;
    enum parse_result result = read_string(c, in, next, MQTT_FAULT_CLIENT_ID_UTF8);
    if (result != PARSE_DONE)
        return result;
    c->client_id_at = c->at;
    c->client_id_n = c->field_end - c->at;
    return connect_go(c, c->field_end, next);
}

static enum parse_result read_will_topic(struct mqtt_connect *c, struct span in)
{
    enum parse_result result = read_string(c, in, STEP_WILL_PAYLOAD, MQTT_FAULT_WILL_TOPIC_UTF8);

    return result == PARSE_DONE ? connect_go(c, c->field_end, STEP_WILL_PAYLOAD) : result;
}

static enum parse_result read_binary(struct mqtt_connect *c, struct span in, enum connect_step next)
{
    enum parse_result result = read_string(c, in, next, MQTT_FAULT_NONE);

    return result == PARSE_DONE ? connect_go(c, c->field_end, next) : result;
}

static enum parse_result read_username(struct mqtt_connect *c, struct span in)
{
    const enum connect_step next = connect_has(c, FLAG_PASSWORD) ? STEP_PASSWORD : STEP_END;
    enum parse_result result = read_string(c, in, next, MQTT_FAULT_USERNAME_UTF8);

    if (result != PARSE_DONE)
        return result;
    c->username_at = c->at;
    c->username_n = c->field_end - c->at;
    return connect_go(c, c->field_end, next);
}

/* In 3.1 a field may be missing despite its flag: the remaining length takes precedence. */
static bool is_missing(const struct mqtt_connect *c)
{
    return c->version == 3 && c->at == c->end && !c->field_open;
}

/* A packet that is longer than its fields is rejected when its first extra byte arrives. */
static enum parse_result read_end(struct mqtt_connect *c, struct span in)
{
    if (c->at == c->end)
        return connect_go(c, c->at, STEP_DONE);
    if (in.n > c->at) {
        (void)connect_refuse(c, MQTT_FAULT_TRAILING_BYTES);
        return PARSE_BAD;
    }
    return PARSE_MORE;
}

/* Read one field of the head. */
static enum parse_result connect_read_head(struct mqtt_connect *c, struct span in)
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

/* Read one field after the head. */
static enum parse_result connect_read_payload(struct mqtt_connect *c, struct span in)
{
    switch ((enum connect_step)c->step) {
    case STEP_PROPERTIES:
        return read_properties(c, in, STEP_CLIENT_ID);
    case STEP_CLIENT_ID:
        return read_client_id(c, in);
    case STEP_WILL_PROPERTIES:
        return read_properties(c, in, STEP_WILL_TOPIC);
    case STEP_WILL_TOPIC:
        return read_will_topic(c, in);
    case STEP_WILL_PAYLOAD:
        return read_binary(c, in, after_will(c));
    case STEP_USERNAME:
        c->has_username = !is_missing(c);
        return c->has_username ? read_username(c, in) : connect_go(c, c->at, STEP_END);
    default: /* STEP_PASSWORD */
        return is_missing(c) ? connect_go(c, c->at, STEP_END) : read_binary(c, in, STEP_END);
    }
}

static enum parse_result read_step(struct mqtt_connect *c, struct span in)
{
    if (c->step <= STEP_KEEP_ALIVE)
        return connect_read_head(c, in);
    return c->step < STEP_END ? connect_read_payload(c, in) : read_end(c, in);
}

void mqtt_connect_init(struct mqtt_connect *c, bool lenient, uint32_t max_bytes)
{
    assert(max_bytes > 0 && max_bytes <= MQTT_CONNECT_MAX_BYTES_LIMIT);
    *c = (struct mqtt_connect){.lenient = lenient, .max_bytes = max_bytes};
}

enum parse_result mqtt_connect_read(struct mqtt_connect *c, const uint8_t *p, size_t n)
{
    enum parse_result result = c->fault == MQTT_FAULT_NONE ? PARSE_DONE : PARSE_BAD;

    while (result == PARSE_DONE && c->step != STEP_DONE) {
        /* Do not read past the packet. */
        size_t ours = c->packet_n != 0 ? size_min(n, c->packet_n) : n;
        result = read_step(c, span_of(p, ours));
    }
    assert(result != PARSE_DONE || c->at == c->packet_n);
    return result;
}

struct span mqtt_connect_client_id(const struct mqtt_connect *c, const uint8_t *p)
{
    return c->client_id_at != 0 ? span_of(p + c->client_id_at, c->client_id_n) : span_of(NULL, 0);
}

struct span mqtt_connect_username(const struct mqtt_connect *c, const uint8_t *p)
{
    return c->username_at != 0 ? span_of(p + c->username_at, c->username_n) : span_of(NULL, 0);
}
