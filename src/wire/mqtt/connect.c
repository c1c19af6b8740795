/*
 * connect.c - parse the first MQTT control packet of a connection: CONNECT.
 *
 * There is one step per field, in packet order. A step that runs out of bytes is repeated when more
 * arrive. Lengths are checked against the end of the packet as soon as they are known
 * (connect_room_after()), so no field extends past it, and bytes pipelined after the packet are
 * never read. The content of passwords and will payloads is not checked.
 *
 *    connect_head.c     type, length, name, level, flags, keep alive
 *    connect_payload.c  [properties] client id [[will properties] will topic, will payload]
 *                       [user] [password]
 */
#include "wire/mqtt/connect.h"

#include <assert.h>

#include "connect_step.h"

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
