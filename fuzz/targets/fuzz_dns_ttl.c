/*
 * fuzz_dns_ttl.c - check invariants of the search for the lowest TTL of a DNS answer.
 *
 * The input is a DNS message (UDP payloads from captures can be seeds).
 *
 *   - once a prefix contains all answers, further bytes do not change the result
 *   - the result is the TTL of a complete record of the message
 *   - the identifier, the flags and the counts of other sections do not affect the result
 *   - if the last answer is removed, the TTL is not lower
 *   - if an answer is added, the result is the lower one of both TTLs
 *   - without answers there is no TTL and the output is unchanged
 */
#include "base/util.h"
#include "law.h"
#include "wire/dns_ttl.h"

#define INPUT_MAX  4096u
#define ANSWERS_AT 6u
#define HEADER_LEN 12u
#define UNTOUCHED  UINT32_C(0xfeedbeef) /* not a valid TTL, because its highest bit is set */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    bool found;
    uint32_t ttl_s;
};

static struct outcome read_copy(const uint8_t *data, size_t n)
{
    struct outcome o = {.ttl_s = UNTOUCHED};
    uint8_t *bytes = exact_copy(data, n);

    o.found = dns_lowest_ttl(span_of(bytes, n), &o.ttl_s);
    LAW(o.found ? o.ttl_s <= INT32_MAX : o.ttl_s == UNTOUCHED);
    LAW(!o.found || n > HEADER_LEN);
    free(bytes);
    return o;
}

static bool same_answer(struct outcome a, struct outcome b)
{
    return a.found == b.found && a.ttl_s == b.ttl_s;
}

static unsigned u16_at(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static void put_u16(uint8_t *p, unsigned value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static void put_u32(uint8_t *p, uint32_t value)
{
    put_u16(p, value >> 16);
    put_u16(p + 2, value & 0xffff);
}

/* Test all prefixes of a short input, and some of a long one. */
static void split_equals_whole(struct outcome whole, const uint8_t *data, size_t size,
                               struct dice *dice)
{
    size_t step_max = size / 128 + 1;
    bool found = false;

    for (size_t n = 0; n < size; n += 1 + dice_roll(dice, step_max)) {
        struct outcome o = read_copy(data, n);
        LAW(!found || o.found);
        LAW(!o.found || same_answer(o, whole));
        found = o.found;
    }
}

static void what_follows_changes_nothing(struct outcome whole, const uint8_t *data, size_t size,
                                         struct dice *dice)
{
    size_t extra = 1 + dice_roll(dice, 64);
    uint8_t *longer = exact_new(size + extra);

    memcpy(longer, data, size);
    for (size_t i = 0; i < extra; i++)
        longer[size + i] = (uint8_t)dice_roll(dice, 256);
    LAW(same_answer(read_copy(longer, size + extra), whole));
    free(longer);
}

/* A TTL, a length and that many bytes of data must fit. */
static void it_stands_in_the_bytes(struct outcome whole, const uint8_t *data, size_t size)
{
    bool stands = false;

    for (size_t at = HEADER_LEN + 5; at + 6 <= size && !stands; at++) {
        uint32_t ttl = (uint32_t)u16_at(data + at) << 16 | u16_at(data + at + 2);
        stands =
            (ttl > INT32_MAX ? 0 : ttl) == whole.ttl_s && u16_at(data + at + 4) <= size - at - 6;
    }
    LAW(stands);
}

static void the_rest_of_the_header_changes_nothing(struct outcome whole, const uint8_t *data,
                                                   size_t size, struct dice *dice)
{
    uint8_t *other = exact_copy(data, size);

    for (size_t i = 0; i < 4; i++) {
        other[i] = (uint8_t)dice_roll(dice, 256);
        other[8 + i] = (uint8_t)dice_roll(dice, 256);
    }
    LAW(same_answer(read_copy(other, size), whole));
    free(other);
}

static void the_last_answer_only_lowers(struct outcome whole, const uint8_t *data, size_t size)
{
    unsigned answers = u16_at(data + ANSWERS_AT);
    uint8_t *fewer = exact_copy(data, size);

    LAW(answers > 0);
    put_u16(fewer + ANSWERS_AT, answers - 1);
    struct outcome o = read_copy(fewer, size);
    LAW(o.found == (answers > 1));
    LAW(!o.found || o.ttl_s >= whole.ttl_s);
    free(fewer);
}

/* Return the length of the shortest prefix that contains all answers. */
static size_t answers_end(const uint8_t *data, size_t size)
{
    size_t cut = HEADER_LEN, held = size;

    while (held - cut > 1) {
        size_t middle = cut + (held - cut) / 2;
        if (read_copy(data, middle).found)
            held = middle;
        else
            cut = middle;
    }
    return held;
}

/* Write an address record for the name of the first question, in the usual form. */
static void one_more_answer_counts(struct outcome whole, const uint8_t *data, size_t size,
                                   struct dice *dice)
{
    static const uint8_t record[16] = {0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1};
    const uint32_t ttls[] = {0,         whole.ttl_s,       whole.ttl_s + 1, whole.ttl_s / 2,
                             INT32_MAX, (uint32_t)1 << 31, UINT32_MAX};
    unsigned answers = u16_at(data + ANSWERS_AT);
    uint32_t ttl_s = ttls[dice_roll(dice, ARRAY_LEN(ttls))];

    if (answers == UINT16_MAX)
        return;
    size_t end = answers_end(data, size);
    uint8_t *more = exact_new(end + sizeof(record));
    memcpy(more, data, end);
    memcpy(more + end, record, sizeof(record));
    put_u16(more + ANSWERS_AT, answers + 1);
    put_u32(more + end + 6, ttl_s);
    struct outcome o = read_copy(more, end + sizeof(record));
    if (ttl_s > INT32_MAX)
        ttl_s = 0;
    LAW(o.found && o.ttl_s == (ttl_s < whole.ttl_s ? ttl_s : whole.ttl_s));
    LAW(!read_copy(more, end + sizeof(record) - 1).found);
    free(more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dice dice = dice_from(data, size);

    if (size > INPUT_MAX)
        return 0;
    struct outcome whole = read_copy(data, size);
    split_equals_whole(whole, data, size, &dice);
    if (!whole.found)
        return 0;
    what_follows_changes_nothing(whole, data, size, &dice);
    it_stands_in_the_bytes(whole, data, size);
    the_rest_of_the_header_changes_nothing(whole, data, size, &dice);
    the_last_answer_only_lowers(whole, data, size);
    one_more_answer_counts(whole, data, size, &dice);
    return 0;
}
