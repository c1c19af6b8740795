/*
 * check_dialogue.c - build the request of a check, and evaluate the answer.
 *
 * No I/O and no clock: check.c sends and receives.
 */
#include "check_dialogue.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "net/address.h"
#include "wire/http/status.h"
#include "wire/mqtt/check.h"
#include "wire/mqtt/connack.h"

#define MQTT_3_1_1 4u

/* Added to the longest wait for the CONNACK, because a node may count from the CONNECT on. */
#define KEEP_ALIVE_MARGIN_S 2u

/* Placeholder port for both ends of a Unix socket: some receivers reject port 0. */
#define STAND_IN_PORT 1883u

_Static_assert(CHECK_ANSWER_MAX >= HTTP_STATUS_MAX, "a status code fits");

const char *check_awaited(enum check_type type)
{
    return type == CHECK_TYPE_HTTP ? "HTTP status" : "CONNACK";
}

/* ---- the request ----------------------------------------------------------------------- */

static struct proxy_endpoint proxy_end(const struct address *address)
{
    const struct proxy_endpoint stand_in = {.ip = {127, 0, 0, 1}, .port_be = htons(STAND_IN_PORT)};
    return address->sa.sa_family == AF_UNIX ? stand_in : address_to_proxy(address);
}

size_t check_proxy_header(const struct check_target *target, const struct address *local,
                          uint8_t out[PROXY_V2_MAX])
{
    const struct cluster_conf *conf = target->conf;
    const struct proxy_facts facts = {.crc32c = conf->proxy_protocol_tlvs & PROXY_TLV_CRC32C};
    struct proxy_endpoint source = proxy_end(local);
    struct proxy_endpoint destination = proxy_end(&target->endpoint->address);
    switch (conf->proxy_protocol) {
    case PROXY_PROTOCOL_V1:
        return proxy_v1_write(&source, &destination, out);
    case PROXY_PROTOCOL_V2:
        return proxy_v2_write(&source, &destination, &facts, out);
    default:
        return 0;
    }
}

static bool ask_mqtt(const struct check_target *target, const struct address *local,
                     struct buffer *out)
{
    uint8_t header[PROXY_V2_MAX];
    uint32_t wait_s = target->conf->health_check->timeout_ms / 1000u + KEEP_ALIVE_MARGIN_S;
    const struct mqtt_check check = {.client_id = span_of_str(target->client_id),
                                     .username = span_of_str(target->username),
                                     .password = span_of_str(target->password),
                                     .keep_alive_s = (uint16_t)size_min(wait_s, UINT16_MAX)};
    size_t room = check.client_id.n + check.username.n + check.password.n + MQTT_CHECK_CONNECT_ROOM;
    if (!buffer_reserve(out, sizeof(header), room))
        return false;
    buffer_grew(out, mqtt_check_connect(&check, buffer_bytes(out), buffer_room(out)));
    if (!target->tls)
        buffer_prepend(out, header, check_proxy_header(target, local, header));
    return true;
}

/* Write only a PROXY header; with TLS, it was sent before the handshake. */
static bool ask_tcp(const struct check_target *target, const struct address *local,
                    struct buffer *out)
{
    uint8_t header[PROXY_V2_MAX];
    const size_t n = target->tls ? 0 : check_proxy_header(target, local, header);
    if (n == 0)
        return true;
    if (!buffer_reserve(out, n, 0))
        return false;
    buffer_prepend(out, header, n);
    return true;
}

static bool ask_http(const struct check_target *target, struct buffer *out)
{
    static const char form[] = "%s %s HTTP/1.1\r\n"
                               "Host: %s\r\n"
                               "User-Agent: mqtt-router\r\n"
                               "Connection: close\r\n"
                               "\r\n";
    const struct health_check_conf *conf = target->conf->health_check;
    char address[ENDPOINT_TEXT_MAX];
    const char *host = endpoint_is_unix(target->endpoint)
                           ? "localhost"
                           : endpoint_format(target->endpoint, address);
    size_t room = sizeof(form) + strlen(conf->method) + strlen(conf->path) + strlen(host);
    if (!buffer_reserve(out, 0, room))
        return false;
    int n = snprintf((char *)buffer_bytes(out), room, form, conf->method, conf->path, host);
    buffer_grew(out, (size_t)n);
    return true;
}

bool check_ask(const struct check_target *target, const struct address *local, struct buffer *out)
{
    switch (target->conf->health_check->type) {
    case CHECK_TYPE_MQTT:
        return ask_mqtt(target, local, out);
    case CHECK_TYPE_HTTP:
        return ask_http(target, out);
    default:
        return ask_tcp(target, local, out);
    }
}

/* ---- the answer ------------------------------------------------------------------------ */

/* MQTT 3.1.1 table 3.1. A code that the standard does not define is bad. */
static enum check_result result_of_code(uint8_t code)
{
    if (code > 5)
        return CHECK_BAD;
    return code == 3 ? CHECK_NO_NEW : CHECK_GOOD;
}

static enum parse_result judge_mqtt(struct span in, struct check_verdict *out)
{
    struct mqtt_connack connack;
    enum parse_result result = mqtt_connack_read(in, MQTT_3_1_1, &connack);
    if (result != PARSE_DONE)
        return result;
    *out = (struct check_verdict){.result = result_of_code(connack.code),
                                  .accepted = connack.code == 0};
    (void)snprintf(out->why, sizeof(out->why), "CONNACK return code %u", connack.code);
    return PARSE_DONE;
}

static bool has_code(const uint32_t *list, size_t n, unsigned code)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == code)
            return true;
    return false;
}

static enum parse_result judge_http(const struct health_check_conf *conf, struct span in,
                                    struct check_verdict *out)
{
    unsigned code;
    enum parse_result result = http_status_read(in, &code);
    if (result != PARSE_DONE)
        return result;
    *out = (struct check_verdict){.result = CHECK_BAD};
    if (has_code(conf->expect, conf->n_expect, code))
        out->result = CHECK_GOOD;
    else if (has_code(conf->no_new, conf->n_no_new, code))
        out->result = CHECK_NO_NEW;
    (void)snprintf(out->why, sizeof(out->why), "HTTP %u", code);
    return PARSE_DONE;
}

enum parse_result check_judge(const struct check_target *target, struct span in,
                              struct check_verdict *out)
{
    const struct health_check_conf *conf = target->conf->health_check;
    enum parse_result result =
        conf->type == CHECK_TYPE_HTTP ? judge_http(conf, in, out) : judge_mqtt(in, out);
    if (result != PARSE_BAD)
        return result;
    *out = (struct check_verdict){.result = CHECK_BAD};
    (void)snprintf(out->why, sizeof(out->why), "the response is not a valid %s",
                   check_awaited(conf->type));
    return PARSE_BAD;
}
