/*
 * fuzz_mqtt_connect.c - check invariants of the CONNECT parser and the CONNACK composer.
 *
 * The input is only what a client sends, so captures can be seeds. A hash of the input decides how
 * it is split. Buffers have exactly the size of their content, so that AddressSanitizer detects
 * overruns.
 *
 *   - splitting the input does not change the result, and the parser returns MORE for each prefix
 *     of a valid packet
 *   - an invalid prefix stays invalid; a complete packet never returns MORE
 *   - lenient mode accepts everything that strict mode accepts, with the same result; it rejects
 *     only framing faults
 *   - client identifier and user name are inside the packet, the packet is inside the input, and no
 *     packet exceeds the limit
 *   - a packet that begins with 0x11 to 0x1F is a 3.1 CONNECT or invalid
 *   - a CONNACK has the format of the client's version, and does not exceed the client's Maximum
 *     Packet Size
 *   - Paho's reader finds the same values in accepted properties (it gets only these, because it
 *     trusts its input)
 */
#include <MQTTProperties.h>

#include "law.h"
#include "wire/mqtt/connack.h"
#include "wire/mqtt/connect.h"

#define INPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Initializes Paho's allocator; exported by the static library, but not declared in a header. */
int Heap_initialize(void);

struct outcome {
    enum parse_result result;
    struct mqtt_connect c;
};

/* Parse a copy of exactly the first n bytes. */
static void feed(struct outcome *o, const uint8_t *data, size_t n)
{
    uint8_t *exact = exact_copy(data, n);

    o->result = mqtt_connect_read(&o->c, exact, n);
    free(exact);
    LAW(o->c.packet_n <= o->c.max_bytes);
    LAW((o->result == PARSE_BAD) == (o->c.fault != MQTT_FAULT_NONE));
}

static struct outcome begin(bool lenient, uint32_t max_bytes)
{
    struct outcome o = {.result = PARSE_MORE};

    mqtt_connect_init(&o.c, lenient, max_bytes);
    return o;
}

static struct outcome read_whole(const uint8_t *data, size_t size, bool lenient, uint32_t max_bytes)
{
    struct outcome o = begin(lenient, max_bytes);

    feed(&o, data, size);
    return o;
}

/* Both results must have the same length and values. */
static void same_facts(const struct mqtt_connect *a, const struct mqtt_connect *b)
{
    LAW(a->version == b->version && a->level == b->level && a->level_seen == b->level_seen);
    LAW(a->name_is_mqisdp == b->name_is_mqisdp && a->bridge == b->bridge);
    LAW(a->clean_start == b->clean_start && a->has_will == b->has_will);
    LAW(a->has_username == b->has_username);
    LAW(a->keep_alive_s == b->keep_alive_s);
    LAW(a->session_expiry_s == b->session_expiry_s);
    LAW(a->max_packet_size == b->max_packet_size);
    LAW(a->client_id_at == b->client_id_at && a->client_id_n == b->client_id_n);
    LAW(a->username_at == b->username_at && a->username_n == b->username_n);
    LAW(a->packet_n == b->packet_n);
}

static void split_equals_whole(const struct outcome *whole, const uint8_t *data, size_t size,
                               struct dice *dice)
{
    struct outcome o = begin(whole->c.lenient, whole->c.max_bytes);
    size_t step_max = dice_roll(dice, 4) == 0 ? 1 : size / 2 + 1;

    if (size / step_max > 4096) /* too slow for a large input, because each byte needs a copy */
        step_max = size / 64;
    for (size_t n = 0; n < size && o.result == PARSE_MORE;) {
        n = size_min(size, n + 1 + dice_roll(dice, step_max));
        feed(&o, data, n);
    }
    if (size == 0)
        feed(&o, data, 0);
    LAW(o.result == whole->result && o.c.fault == whole->c.fault);
    same_facts(&o.c, &whole->c);
}

static void bad_stays_bad(const struct outcome *whole, const uint8_t *data, size_t size,
                          struct dice *dice)
{
    size_t extra = 1 + dice_roll(dice, 64);
    uint8_t *longer = exact_new(size + extra);

    memcpy(longer, data, size);
    for (size_t i = 0; i < extra; i++)
        longer[size + i] = (uint8_t)dice_roll(dice, 256);
    struct outcome o = read_whole(longer, size + extra, whole->c.lenient, whole->c.max_bytes);
    LAW(o.result == PARSE_BAD && o.c.fault == whole->c.fault);
    o = *whole;
    feed(&o, longer, size + extra);
    LAW(o.result == PARSE_BAD && o.c.fault == whole->c.fault);
    free(longer);
}

static void connack_is_well_formed(const struct mqtt_connect *c)
{
    uint8_t out[MQTT_CONNACK_REFUSAL_MAX];
    size_t n = mqtt_connack_for_fault(c, out);

    if (n == 0)
        return;
    LAW(n == 4 || n == 5);
    LAW(c->level_seen);
    LAW(out[0] == 0x20 && out[1] == n - 2 && out[2] == 0);
    LAW(n == 4 ? out[3] >= 1 && out[3] <= 5 : out[3] >= 0x80 && out[4] == 0);
    LAW(c->version != 5 || c->max_packet_size == 0 || n <= c->max_packet_size);
}

/* Check that Paho's reader finds the same end of the accepted list at `at`. Return that end. */
static size_t paho_reads_the_same(const struct mqtt_connect *c, uint8_t *packet, size_t at,
                                  bool in_will)
{
    MQTTProperties properties = MQTTProperties_initializer;
    char *p = (char *)packet + at, *end = (char *)packet + c->packet_n;

    LAW(MQTTProperties_read(&properties, &p, end) == 1);
    if (!in_will) {
        uint32_t expiry = 0, max = 0;
        if (MQTTProperties_hasProperty(&properties, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL))
            expiry = (uint32_t)MQTTProperties_getNumericValue(
                &properties, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL);
        if (MQTTProperties_hasProperty(&properties, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE))
            max = (uint32_t)MQTTProperties_getNumericValue(&properties,
                                                           MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE);
        LAW(expiry == c->session_expiry_s && max == c->max_packet_size);
    }
    MQTTProperties_free(&properties);
    return (size_t)(p - (char *)packet);
}

/*
 * Check both property lists of an accepted 5.0 packet, located by a second walk through the packet.
 */
static void paho_agrees(const struct mqtt_connect *c, const uint8_t *data)
{
    uint8_t *packet = exact_copy(data, c->packet_n);
    size_t header_n = 2;

    while (packet[header_n - 1] & 0x80)
        header_n++;
    size_t end = paho_reads_the_same(c, packet, header_n + 10, false);
    LAW(end + 2 == c->client_id_at);
    if (c->has_will) {
        end = paho_reads_the_same(c, packet, c->client_id_at + c->client_id_n, true);
        LAW(end + 4 <= c->packet_n); /* will topic and will payload follow */
    }
    free(packet);
}

static void done_packet_is_inside(const struct mqtt_connect *c, size_t size)
{
    LAW(c->packet_n >= 14 && c->packet_n <= size);
    LAW(c->version >= 3 && c->version <= 5);
    LAW(c->client_id_at >= 14 && c->client_id_at + c->client_id_n <= c->packet_n);
    LAW(c->has_username == (c->username_at != 0));
    LAW(c->username_at + c->username_n <= c->packet_n);
    LAW(!c->has_username || c->username_at >= c->client_id_at + c->client_id_n + 2);
}

static void check_one(const struct outcome *o, const uint8_t *data, size_t size, struct dice *dice)
{
    split_equals_whole(o, data, size, dice);
    if (o->result == PARSE_BAD) {
        bad_stays_bad(o, data, size, dice);
        connack_is_well_formed(&o->c);
        return;
    }
    if (o->result == PARSE_MORE) {
        LAW(size < (o->c.packet_n != 0 ? o->c.packet_n : MQTT_CONNECT_HEAD_MAX));
        return;
    }
    done_packet_is_inside(&o->c, size);
    LAW(data[0] == 0x10 || (data[0] >> 4 == 1 && o->c.version == 3));
    struct outcome beginning = begin(o->c.lenient, o->c.max_bytes);
    feed(&beginning, data, dice_roll(dice, o->c.packet_n));
    LAW(beginning.result == PARSE_MORE);
    struct outcome alone = begin(o->c.lenient, o->c.max_bytes);
    feed(&alone, data, o->c.packet_n);
    LAW(alone.result == PARSE_DONE);
    if (o->c.version == 5)
        paho_agrees(&o->c, data);
}

static void strict_implies_lenient(const struct outcome *strict, const struct outcome *lenient)
{
    if (strict->result == PARSE_DONE) {
        LAW(lenient->result == PARSE_DONE);
        same_facts(&strict->c, &lenient->c);
    }
    if (lenient->result == PARSE_BAD) {
        LAW(strict->result == PARSE_BAD);
        LAW(mqtt_fault_is_framing(lenient->c.fault));
    }
    if (strict->result == PARSE_BAD && mqtt_fault_is_framing(strict->c.fault))
        LAW(lenient->c.fault == strict->c.fault);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    Heap_initialize();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dice dice = dice_from(data, size);
    const uint32_t limits[] = {MQTT_CONNECT_MAX_BYTES_LIMIT, (uint32_t)(1 + dice_roll(&dice, 300))};

    if (size > INPUT_MAX)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        struct outcome strict = read_whole(data, size, false, limits[i]);
        struct outcome lenient = read_whole(data, size, true, limits[i]);
        check_one(&strict, data, size, &dice);
        check_one(&lenient, data, size, &dice);
        strict_implies_lenient(&strict, &lenient);
    }
    return 0;
}
