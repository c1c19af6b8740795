/*
 * fault.h - the reasons why a CONNECT is invalid.
 */
#ifndef WIRE_MQTT_FAULT_H
#define WIRE_MQTT_FAULT_H

#include <stdbool.h>

/*
 * Enum suffix, name in the log, class, violated clause.
 *
 *   FRAMING   the version, client identifier, user name or end of the packet is uncertain; always
 *             rejected
 *   SEMANTIC  the packet can be parsed but is invalid; rejected in strict mode, left to the broker
 *             in lenient mode
 */
#define MQTT_FAULTS(X)                                                                             \
    X(NONE, "none", SEMANTIC, "")                                                                  \
    X(NOT_CONNECT, "not_connect", FRAMING, "MQTT-3.1.0-1")                                         \
    X(FIXED_HEADER_FLAGS, "fixed_header_flags", FRAMING, "5.0: MQTT-2.1.3-1; 3.1.1: MQTT-2.2.2-2") \
    X(LENGTH_MALFORMED, "length_malformed", FRAMING, "5.0: 1.5.5; 3.1.1: 2.2.3")                   \
    X(LENGTH_NOT_MINIMAL, "length_not_minimal", SEMANTIC, "MQTT-1.5.5-1")                          \
    X(TOO_LARGE, "too_large", FRAMING, "limits.connect_max_bytes")                                 \
    X(PROTOCOL_NAME, "protocol_name", FRAMING, "MQTT-3.1.2-1")                                     \
    X(PROTOCOL_LEVEL, "protocol_level", FRAMING, "MQTT-3.1.2-2")                                   \
    X(RESERVED_FLAG, "reserved_flag", SEMANTIC, "MQTT-3.1.2-3")                                    \
    X(WILL_QOS, "will_qos", SEMANTIC, "5.0: MQTT-3.1.2-12; 3.1.1: MQTT-3.1.2-14")                  \
    X(WILL_FLAGS, "will_flags_without_will", SEMANTIC,                                             \
      "5.0: MQTT-3.1.2-11, -13; 3.1.1: MQTT-3.1.2-13, -15")                                        \
    X(PASSWORD_WITHOUT_USERNAME, "password_without_username", SEMANTIC, "3.1.1: MQTT-3.1.2-22")    \
    X(FIELD_OVERRUN, "field_overrun", FRAMING, "MQTT-3.1.4-1")                                     \
    X(TRAILING_BYTES, "trailing_bytes", FRAMING, "MQTT-3.1.4-1")                                   \
    X(PROPERTY_OVERRUN, "property_overrun", FRAMING, "5.0: 2.2.2")                                 \
    X(PROPERTY_UNKNOWN, "property_unknown", FRAMING, "5.0: 2.2.2.2")                               \
    X(PROPERTY_NOT_ALLOWED, "property_not_allowed", SEMANTIC, "5.0: 2.2.2.2")                      \
    X(PROPERTY_DUPLICATE, "property_duplicate", SEMANTIC, "5.0: 3.1.2.11, 3.1.3.2")                \
    X(PROPERTY_VALUE, "property_value", SEMANTIC, "5.0: 3.1.2.11")                                 \
    X(PAYLOAD_FORMAT, "payload_format", SEMANTIC, "5.0: 3.1.3.2.3")                                \
    X(PROPERTY_UTF8, "property_utf8", SEMANTIC, "MQTT-1.5.4-1, -2")                                \
    X(AUTH_DATA_WITHOUT_METHOD, "auth_data_without_method", SEMANTIC, "5.0: 3.1.2.11.10")          \
    X(CLIENT_ID_UTF8, "client_id_utf8", SEMANTIC, "MQTT-3.1.3-4")                                  \
    X(CLIENT_ID_EMPTY, "client_id_empty", SEMANTIC, "3.1.1: MQTT-3.1.3-8; 3.1: 3.1")               \
    X(WILL_TOPIC_UTF8, "will_topic_utf8", SEMANTIC, "5.0: MQTT-3.1.3-11; 3.1.1: MQTT-3.1.3-10")    \
    X(USERNAME_UTF8, "username_utf8", SEMANTIC, "5.0: MQTT-3.1.3-12; 3.1.1: MQTT-3.1.3-11")

enum mqtt_fault {
#define X(suffix, word, class, clause) MQTT_FAULT_##suffix,
    MQTT_FAULTS(X)
#undef X
        MQTT_FAULT_COUNT
};

/* Return the fault's name in the log ("reserved_flag") or the violated clause. Never null. */
const char *mqtt_fault_name(enum mqtt_fault fault);
const char *mqtt_fault_clause(enum mqtt_fault fault);

/* True for a FRAMING fault, which is rejected in lenient mode too. */
bool mqtt_fault_is_framing(enum mqtt_fault fault);

#endif
