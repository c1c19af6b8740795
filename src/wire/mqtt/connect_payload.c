/*
 * connect_payload.c - parse the properties, strings and binary data of a CONNECT.
 *
 * The content of passwords and will payloads is not checked.
 */
#include "connect_step.h"

#include "base/reader.h"
#include "base/utf8.h"
#include "field.h"

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

enum parse_result connect_read_payload(struct mqtt_connect *c, struct span in)
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
