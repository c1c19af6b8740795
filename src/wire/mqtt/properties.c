/*
 * properties.c - parse the properties of an MQTT 5.0 CONNECT and its will.
 *
 *    identifier -> value -> identifier -> ... -> end of the list
 *
 * Each field is checked against the end of the list as soon as its length is known, so no field
 * extends past it. This is the only file of wire/ that includes Paho. It uses only a table lookup,
 * not Paho's parser, which trusts its input.
 */
#include "wire/mqtt/properties.h"

#include <MQTTProperties.h>
#include <assert.h>

#include "base/utf8.h"
#include "field.h"

enum place { IN_CONNECT = 1, IN_WILL = 2, MANY = 4 };

/* Where each property is allowed; 0 = in neither. Source: MQTT 5.0 table 2-4. */
static const uint8_t places[] = {
    [MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR] = IN_WILL,
    [MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL] = IN_WILL,
    [MQTTPROPERTY_CODE_CONTENT_TYPE] = IN_WILL,
    [MQTTPROPERTY_CODE_RESPONSE_TOPIC] = IN_WILL,
    [MQTTPROPERTY_CODE_CORRELATION_DATA] = IN_WILL,
    [MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL] = IN_CONNECT,
    [MQTTPROPERTY_CODE_AUTHENTICATION_METHOD] = IN_CONNECT,
    [MQTTPROPERTY_CODE_AUTHENTICATION_DATA] = IN_CONNECT,
    [MQTTPROPERTY_CODE_REQUEST_PROBLEM_INFORMATION] = IN_CONNECT,
    [MQTTPROPERTY_CODE_WILL_DELAY_INTERVAL] = IN_WILL,
    [MQTTPROPERTY_CODE_REQUEST_RESPONSE_INFORMATION] = IN_CONNECT,
    [MQTTPROPERTY_CODE_RECEIVE_MAXIMUM] = IN_CONNECT,
    [MQTTPROPERTY_CODE_TOPIC_ALIAS_MAXIMUM] = IN_CONNECT,
    [MQTTPROPERTY_CODE_USER_PROPERTY] = IN_CONNECT | IN_WILL | MANY,
    [MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE] = IN_CONNECT,
};

/* Return the minimum size of a value of this type, in bytes. */
static uint32_t value_min(int type)
{
    switch (type) {
    case MQTTPROPERTY_TYPE_BYTE:
    case MQTTPROPERTY_TYPE_VARIABLE_BYTE_INTEGER:
        return 1;
    case MQTTPROPERTY_TYPE_FOUR_BYTE_INTEGER:
    case MQTTPROPERTY_TYPE_UTF_8_STRING_PAIR:
        return 4;
    default: /* two-byte integer, or the length of a string or binary data */
        return 2;
    }
}

static bool is_integer(int type)
{
    return type == MQTTPROPERTY_TYPE_BYTE || type == MQTTPROPERTY_TYPE_TWO_BYTE_INTEGER ||
           type == MQTTPROPERTY_TYPE_FOUR_BYTE_INTEGER;
}

/* Record a fault, unless lenient mode leaves it to the broker. Returns true if recorded. */
static bool refuse(struct mqtt_properties *w, enum mqtt_fault fault)
{
    if (w->lenient && !mqtt_fault_is_framing(fault))
        return false;
    w->fault = fault;
    return true;
}

/*
 * Check that the `left` bytes after the current property can complete a valid list. Called as soon
 * as the end of the property is known, before its value has arrived.
 */
static bool rest_is_valid(struct mqtt_properties *w, uint32_t left)
{
    const uint64_t data = UINT64_C(1) << MQTTPROPERTY_CODE_AUTHENTICATION_DATA;
    const uint64_t method = UINT64_C(1) << MQTTPROPERTY_CODE_AUTHENTICATION_METHOD;

    if (!mqtt_properties_fit(left))
        return !refuse(w, MQTT_FAULT_PROPERTY_OVERRUN);
    /* An Authentication Method has at least three bytes. (In a will, neither is allowed.) */
    if ((w->seen & data) && !(w->seen & method) && left < 3)
        return !refuse(w, MQTT_FAULT_AUTH_DATA_WITHOUT_METHOD);
    return true;
}

static bool identifier_is_valid(struct mqtt_properties *w, uint8_t id)
{
    uint8_t here = w->in_will ? IN_WILL : IN_CONNECT;
    uint8_t place = id < ARRAY_LEN(places) ? places[id] : 0;
    uint64_t bit = UINT64_C(1) << id;

    if (!(place & here) && refuse(w, MQTT_FAULT_PROPERTY_NOT_ALLOWED))
        return false;
    if ((w->seen & bit) && !(place & MANY) && refuse(w, MQTT_FAULT_PROPERTY_DUPLICATE))
        return false;
    return true;
}

/* Start a property, and check that the list has room for it. */
static bool begin(struct mqtt_properties *w, uint8_t id, int type)
{
    uint32_t left = w->end - (w->at + 1), least = value_min(type);

    if (left < least)
        return !refuse(w, MQTT_FAULT_PROPERTY_OVERRUN);
    w->at++;
    w->id = id;
    w->type = (uint8_t)type;
    w->repeated = w->seen & UINT64_C(1) << id;
    w->seen |= UINT64_C(1) << id;
    return is_integer(type) ? rest_is_valid(w, left - least) : true;
}

static enum parse_result read_identifier(struct mqtt_properties *w, struct span in)
{
    struct reader rd = reader_from(in, w->at);
    uint8_t id = reader_u8(&rd);

    if (rd.cut)
        return PARSE_MORE;
    /*
     * An identifier is a variable byte integer, but all defined ones fit in one byte and are below
     * 64, the width of `seen`. A longer encoding is not minimal [MQTT-1.5.5-1], and parsers may
     * disagree about where it ends.
     */
    int type = id < 64 ? MQTTProperty_getType((enum MQTTPropertyCodes)id) : -1;
    if (type < 0) {
        w->fault = MQTT_FAULT_PROPERTY_UNKNOWN;
        return PARSE_BAD;
    }
    return identifier_is_valid(w, id) && begin(w, id, type) ? PARSE_DONE : PARSE_BAD;
}

/* Finish the current property, whose value ends before offset `end`. */
static enum parse_result finish(struct mqtt_properties *w, size_t end)
{
    w->at = (uint32_t)end;
    w->value_end = 0;
    w->id = 0;
    w->second = false;
    return PARSE_DONE;
}

/* Check that the current property can have this integer value. */
static bool integer_is_valid(struct mqtt_properties *w, uint32_t value)
{
    switch (w->id) {
    case MQTTPROPERTY_CODE_REQUEST_PROBLEM_INFORMATION:
    case MQTTPROPERTY_CODE_REQUEST_RESPONSE_INFORMATION:
        return value <= 1 || !refuse(w, MQTT_FAULT_PROPERTY_VALUE);
    case MQTTPROPERTY_CODE_RECEIVE_MAXIMUM:
    case MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE:
        return value > 0 || !refuse(w, MQTT_FAULT_PROPERTY_VALUE);
    case MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR:
        return value <= 1 || !refuse(w, MQTT_FAULT_PAYLOAD_FORMAT);
    default:
        return true;
    }
}

static void note_integer(struct mqtt_properties *w, uint32_t value)
{
    if (w->in_will || w->repeated)
        return;
    if (w->id == MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL)
        w->session_expiry_s = value;
    if (w->id == MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE)
        w->max_packet_size = value;
    if (w->id == MQTTPROPERTY_CODE_SERVER_KEEP_ALIVE) {
        w->has_server_keep_alive = true;
        w->server_keep_alive_s = (uint16_t)value;
    }
}

static enum parse_result read_integer(struct mqtt_properties *w, struct span in)
{
    struct reader rd = reader_from(in, w->at);
    uint32_t value;

    if (w->type == MQTTPROPERTY_TYPE_BYTE)
        value = reader_u8(&rd);
    else if (w->type == MQTTPROPERTY_TYPE_TWO_BYTE_INTEGER)
        value = reader_u16_be(&rd);
    else
        value = reader_u32_be(&rd);
    if (rd.cut)
        return PARSE_MORE;
    if (!integer_is_valid(w, value))
        return PARSE_BAD;
    note_integer(w, value);
    return finish(w, rd.at);
}

/* Called in lenient mode only: no property of a CONNECT or its will has this type. */
static enum parse_result read_varint(struct mqtt_properties *w, struct span in)
{
    struct mqtt_varint v;
    enum parse_result result = mqtt_varint_read(reader_from(in, w->at), &v);
    uint32_t left = w->end - (w->at + v.n);

    if (result == PARSE_BAD) {
        w->fault = MQTT_FAULT_LENGTH_MALFORMED;
        return PARSE_BAD;
    }
    if (result == PARSE_MORE && left > 0)
        return PARSE_MORE;
    if (result == PARSE_MORE || !mqtt_properties_fit(left)) {
        w->fault = MQTT_FAULT_PROPERTY_OVERRUN;
        return PARSE_BAD;
    }
    return finish(w, w->at + v.n);
}

/* Parse a string's length. PARSE_DONE: w->value_end is set, and the string fits in the list. */
static enum parse_result read_string_length(struct mqtt_properties *w, struct span in)
{
    struct mqtt_range length = mqtt_string_length(reader_from(in, w->at));
    bool second_follows = w->type == MQTTPROPERTY_TYPE_UTF_8_STRING_PAIR && !w->second;
    uint32_t behind = second_follows ? 2 : 0; /* minimum size of the rest of the value */

    if (w->at + 2 + length.min + behind > w->end) {
        w->fault = MQTT_FAULT_PROPERTY_OVERRUN;
        return PARSE_BAD;
    }
    if (length.min != length.max)
        return PARSE_MORE;
    w->at += 2;
    w->value_end = w->at + length.min;
    w->checked = 0;
    if (!second_follows && !rest_is_valid(w, w->end - w->value_end))
        return PARSE_BAD;
    return PARSE_DONE;
}

/* Check the string in [w->at, w->value_end) as far as it has been received. */
static bool string_is_valid(struct mqtt_properties *w, struct span in)
{
    size_t checked = w->checked, here = size_min(in.n, w->value_end) - w->at;

    if (w->lenient || w->type == MQTTPROPERTY_TYPE_BINARY_DATA)
        return true;
    if (!utf8_check(in.p + w->at, here, w->value_end - w->at, &checked))
        return !refuse(w, MQTT_FAULT_PROPERTY_UTF8);
    w->checked = (uint32_t)checked;
    return true;
}

static enum parse_result read_string(struct mqtt_properties *w, struct span in)
{
    if (w->value_end == 0) {
        enum parse_result result = read_string_length(w, in);
        if (result != PARSE_DONE)
            return result;
    }
    if (!string_is_valid(w, in))
        return PARSE_BAD;
    if (in.n < w->value_end)
        return PARSE_MORE;
    if (w->type != MQTTPROPERTY_TYPE_UTF_8_STRING_PAIR || w->second)
        return finish(w, w->value_end);
    w->at = w->value_end;
    w->value_end = 0;
    w->second = true;
    return PARSE_DONE;
}

static enum parse_result read_value(struct mqtt_properties *w, struct span in)
{
    if (is_integer(w->type))
        return read_integer(w, in);
    if (w->type == MQTTPROPERTY_TYPE_VARIABLE_BYTE_INTEGER)
        return read_varint(w, in);
    return read_string(w, in);
}

void mqtt_properties_init(struct mqtt_properties *w, bool in_will, bool lenient, uint32_t at,
                          uint32_t end)
{
    assert(at <= end && mqtt_properties_fit(end - at));
    *w = (struct mqtt_properties){.in_will = in_will, .lenient = lenient, .at = at, .end = end};
}

enum parse_result mqtt_properties_read(struct mqtt_properties *w, struct span in)
{
    enum parse_result result = PARSE_DONE;

    in.n = size_min(in.n, w->end);
    while (result == PARSE_DONE && w->at < w->end)
        result = w->id == 0 ? read_identifier(w, in) : read_value(w, in);
    return result;
}
