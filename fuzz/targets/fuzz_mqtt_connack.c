/*
 * fuzz_mqtt_connack.c - check invariants of the parser of a node's CONNACK.
 *
 * The input is a digit, the version of the client's CONNECT, then what the node sends.
 *
 *   - once a prefix is accepted or rejected, further bytes do not change the result
 *   - an incomplete fixed header can be completed to a CONNACK
 *   - the result is contained in the packet, and is set only on DONE
 *   - the result is the same after it is written and parsed again
 *   - a Server Keep Alive added after all properties is found, unless there was already one
 */
#include "law.h"
#include "wire/mqtt/connack.h"

#define INPUT_MAX 4096u
#define UNTOUCHED 0xa5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum parse_result result;
    uint8_t version;
    struct mqtt_connack connack;
};

static struct outcome read_copy(uint8_t version, const uint8_t *data, size_t n)
{
    struct outcome o = {.version = version};
    struct mqtt_connack before;
    uint8_t *bytes = exact_copy(data, n);

    memset(&before, UNTOUCHED, sizeof(before));
    memset(&o.connack, UNTOUCHED, sizeof(o.connack));
    o.result = mqtt_connack_read(span_of(bytes, n), version, &o.connack);
    if (o.result != PARSE_DONE)
        LAW(memcmp(&before, &o.connack, sizeof(before)) == 0);
    free(bytes);
    return o;
}

static bool same_answer(const struct outcome *a, const struct outcome *b)
{
    const struct mqtt_connack *c = &a->connack, *d = &b->connack;

    if (a->result != b->result || a->result != PARSE_DONE)
        return a->result == b->result;
    return c->code == d->code && c->session_present == d->session_present &&
           c->has_server_keep_alive == d->has_server_keep_alive &&
           c->server_keep_alive_s == d->server_keep_alive_s;
}

/* Return the offset after a variable byte integer, or 0 if the integer is incomplete. */
static size_t varint_end(const uint8_t *data, size_t size, size_t at, uint32_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < 4 && at + i < size; i++) {
        *value |= (uint32_t)(data[at + i] & 0x7f) << (7 * i);
        if (data[at + i] < 0x80)
            return at + i + 1;
    }
    return 0;
}

static size_t put_varint(uint8_t *out, size_t value)
{
    size_t n = 0;

    for (; value >= 0x80; value >>= 7)
        out[n++] = (uint8_t)(value | 0x80);
    out[n++] = (uint8_t)value;
    return n;
}

/* Test all prefixes of a short input, and some of a long one. */
static void split_equals_whole(const struct outcome *whole, const uint8_t *data, size_t size,
                               struct dice *dice)
{
    size_t step_max = size / 128 + 1;
    bool decided = false;

    for (size_t n = 0; n < size; n += 1 + dice_roll(dice, step_max)) {
        struct outcome o = read_copy(whole->version, data, n);
        LAW(!decided || o.result != PARSE_MORE);
        decided = o.result != PARSE_MORE;
        LAW(!decided || same_answer(&o, whole));
    }
}

static void what_follows_changes_nothing(const struct outcome *whole, const uint8_t *data,
                                         size_t size, struct dice *dice)
{
    size_t extra = 1 + dice_roll(dice, 64);
    uint8_t *longer = exact_new(size + extra);

    memcpy(longer, data, size);
    for (size_t i = 0; i < extra; i++)
        longer[size + i] = (uint8_t)dice_roll(dice, 256);
    struct outcome o = read_copy(whole->version, longer, size + extra);
    LAW(same_answer(&o, whole));
    free(longer);
}

/*
 * Write the body of an accepting CONNACK. It has n <= 128 bytes, not 4, and is padded with a Reason
 * String.
 */
static void put_accepting_5(uint8_t *out, size_t n)
{
    size_t properties = n - 3;

    memset(out, 'a', n);
    out[0] = out[1] = 0;
    out[2] = (uint8_t)properties;
    if (properties == 2) {
        out[3] = 0x24; /* Maximum QoS */
        out[4] = 0;
    } else if (properties > 2) {
        out[3] = 0x1f;
        out[4] = 0;
        out[5] = (uint8_t)(properties - 3);
    }
}

/* After the flags, the parser returns MORE until the packet is complete, without validating it. */
static void a_header_can_become_a_connack(const struct outcome *whole, const uint8_t *data,
                                          size_t size)
{
    uint8_t packet[1 + 4 + 128] = {0x20, whole->version == 5 ? 3 : 2};
    uint32_t remaining = packet[1];
    size_t at = 2;

    if (size > 1) {
        memcpy(packet, data, size < 5 ? size : 5);
        at = varint_end(data, size, 1, &remaining);
        if (at != size || remaining > 128 || remaining == 4)
            return; /* longer than the header, but short; a property does not fit into four bytes */
    }
    if (whole->version == 5)
        put_accepting_5(packet + at, remaining);
    else
        packet[at] = packet[at + 1] = 0;
    struct outcome o = read_copy(whole->version, packet, at + remaining);
    LAW(o.result == PARSE_DONE && o.connack.code == 0 && !o.connack.session_present);
    LAW(!o.connack.has_server_keep_alive);
}

static void it_stands_in_the_packet(const struct outcome *whole, const uint8_t *data, size_t size)
{
    const struct mqtt_connack *said = &whole->connack;
    uint32_t remaining;
    size_t at = varint_end(data, size, 1, &remaining);
    bool stands = !said->has_server_keep_alive;

    LAW(at > 0 && data[0] == 0x20 && at + remaining <= size);
    LAW(whole->version == 5 ? remaining >= 3 : remaining == 2);
    LAW(data[at] == said->session_present && data[at + 1] == said->code);
    LAW(whole->version == 5 || !said->has_server_keep_alive);
    LAW(said->has_server_keep_alive || said->server_keep_alive_s == 0);
    for (size_t i = at + 3; i + 3 <= at + remaining && !stands; i++)
        stands = data[i] == 0x13 && (data[i + 1] << 8 | data[i + 2]) == said->server_keep_alive_s;
    LAW(stands);
    struct outcome o = read_copy(whole->version, data, at + remaining);
    LAW(same_answer(&o, whole));
    o = read_copy(whole->version, data, at + remaining - 1);
    LAW(o.result == PARSE_MORE);
}

static void it_can_be_written_again(const struct outcome *whole)
{
    const struct mqtt_connack *said = &whole->connack;
    uint8_t packet[8] = {0x20, 2, said->session_present, said->code};

    if (whole->version == 5) {
        packet[1] = 3;
        if (said->has_server_keep_alive) {
            const uint8_t property[] = {3, 0x13, (uint8_t)(said->server_keep_alive_s >> 8),
                                        (uint8_t)said->server_keep_alive_s};
            packet[1] = 6;
            memcpy(packet + 4, property, sizeof(property));
        }
    }
    struct outcome o = read_copy(whole->version, packet, 2u + packet[1]);
    LAW(same_answer(&o, whole));
}

/* Copy the packet, append 13 HI LO to the property list, and update the lengths. */
static void one_more_keep_alive_is_heard(const struct outcome *whole, const uint8_t *data,
                                         size_t size, struct dice *dice)
{
    uint32_t remaining, length;
    size_t flags_at = varint_end(data, size, 1, &remaining);
    size_t list_at = varint_end(data, size, flags_at + 2, &length);
    uint16_t keep_alive_s = (uint16_t)dice_roll(dice, 65536);
    uint8_t prefix[4];
    size_t prefix_n = put_varint(prefix, length + 3u), at = 1;

    LAW(list_at > 0 && list_at + length == flags_at + remaining);
    uint8_t *packet = exact_new(size + 16);
    packet[0] = 0x20;
    at += put_varint(packet + 1, 2 + prefix_n + length + 3u);
    memcpy(packet + at, data + flags_at, 2);
    memcpy(packet + at + 2, prefix, prefix_n);
    at += 2 + prefix_n;
    memcpy(packet + at, data + list_at, length);
    at += length;
    packet[at++] = 0x13;
    packet[at++] = (uint8_t)(keep_alive_s >> 8);
    packet[at++] = (uint8_t)keep_alive_s;
    struct outcome want = *whole, o = read_copy(5, packet, at);
    if (!want.connack.has_server_keep_alive)
        want.connack.server_keep_alive_s = keep_alive_s;
    want.connack.has_server_keep_alive = true;
    LAW(same_answer(&o, &want));
    free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dice dice = dice_from(data, size);

    if (size == 0 || size > INPUT_MAX)
        return 0;
    struct outcome whole = read_copy((uint8_t)(3 + data[0] % 3), data + 1, size - 1);
    data++, size--;
    split_equals_whole(&whole, data, size, &dice);
    if (whole.result == PARSE_MORE)
        a_header_can_become_a_connack(&whole, data, size);
    else
        what_follows_changes_nothing(&whole, data, size, &dice);
    if (whole.result != PARSE_DONE)
        return 0;
    it_stands_in_the_packet(&whole, data, size);
    it_can_be_written_again(&whole);
    if (whole.version == 5)
        one_more_keep_alive_is_heard(&whole, data, size, &dice);
    return 0;
}
