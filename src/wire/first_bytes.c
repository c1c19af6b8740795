/*
 * first_bytes.c - guess the protocol of a connection from its first bytes.
 */
#include "wire/first_bytes.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/util.h"
#include "wire/mqtt/connect.h"
#include "wire/proxy/format.h"

#define TEXT_LEAST        3u /* fewer characters are ambiguous */
#define TLS_HANDSHAKE     0x16u
#define TLS_MAJOR_VERSION 0x03u
#define MQTT_CONNECT_TYPE 0x1u

/* True if one is a prefix of the other. */
static bool begins_as(struct span in, struct span word)
{
    return in.n >= TEXT_LEAST && memcmp(in.p, word.p, size_min(in.n, word.n)) == 0;
}

static bool is_http(struct span in)
{
    static const char *const methods[] = {"GET ",     "HEAD ",  "POST ",  "PUT ",     "DELETE ",
                                          "OPTIONS ", "PATCH ", "TRACE ", "CONNECT ", "PRI "};

    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (begins_as(in, span_of_str(methods[i])))
            return true;
    return false;
}

/* Never an MQTT 3.1 CONNECT with flags: its remaining length cannot be 3. */
static bool is_tls(struct span in)
{
    return in.p[0] == TLS_HANDSHAKE && (in.n < 2 || in.p[1] == TLS_MAJOR_VERSION);
}

/* A CONNECT that is invalid after its protocol name is still MQTT. */
static bool is_mqtt(struct span in)
{
    struct mqtt_connect connect;

    mqtt_connect_init(&connect, true, MQTT_CONNECT_MAX_BYTES_LIMIT);
    return in.p[0] >> 4 == MQTT_CONNECT_TYPE &&
           (mqtt_connect_read(&connect, in.p, in.n) != PARSE_BAD || connect.level_seen);
}

enum first_protocol first_bytes_protocol(struct span in)
{
    if (in.n == 0)
        return FIRST_NOTHING;
    if (is_tls(in))
        return FIRST_TLS;
    if (is_mqtt(in))
        return FIRST_MQTT;
    if (is_http(in))
        return FIRST_HTTP;
    if (begins_as(in, span_of_str("PROXY ")) ||
        begins_as(in, span_of(PROXY_SIGNATURE, PROXY_SIGNATURE_SIZE)))
        return FIRST_PROXY;
    return FIRST_UNKNOWN;
}

const char *first_protocol_name(enum first_protocol protocol)
{
    static const char *const words[FIRST_COUNT] = {[FIRST_MQTT] = "MQTT",
                                                   [FIRST_TLS] = "TLS",
                                                   [FIRST_HTTP] = "HTTP",
                                                   [FIRST_PROXY] = "PROXY protocol"};
    assert(protocol < FIRST_COUNT);
    return words[protocol];
}
