/*
 * dns_ttl.c - find the lowest TTL in the answers of a DNS message.
 */
#include "wire/dns_ttl.h"

#include "base/reader.h"

#define COUNTS_AT  4u /* after identifier and flags */
#define HEADER_LEN 12u

static void skip(struct reader *rd, size_t n)
{
    if (reader_left(rd) < n)
        rd->cut = true;
    else
        rd->at += n;
}

/* Skip a name. Returns false on a reserved label type (RFC 1035 section 4.1.4). */
static bool skip_name(struct reader *rd)
{
    while (!rd->cut) {
        uint8_t length = reader_u8(rd);
        if (length >= 0xc0) {
            skip(rd, 1); /* a pointer ends the name */
            return true;
        }
        if (length >= 0x40)
            return false;
        if (length == 0)
            return true;
        skip(rd, length);
    }
    return true; /* the caller checks rd->cut */
}

static bool skip_question(struct reader *rd)
{
    if (!skip_name(rd))
        return false;
    skip(rd, 4); /* type, class */
    return true;
}

static bool read_record(struct reader *rd, uint32_t *ttl_s)
{
    if (!skip_name(rd))
        return false;
    skip(rd, 4);
    uint32_t ttl = reader_u32_be(rd);
    skip(rd, reader_u16_be(rd));
    if (ttl > INT32_MAX)
        ttl = 0;
    if (ttl < *ttl_s)
        *ttl_s = ttl;
    return true;
}

bool dns_lowest_ttl(struct span message, uint32_t *ttl_s)
{
    struct reader rd = reader_from(message, COUNTS_AT);
    unsigned questions = reader_u16_be(&rd);
    unsigned answers = reader_u16_be(&rd);
    uint32_t lowest_s = UINT32_MAX;
    if (message.n < HEADER_LEN || answers == 0)
        return false;
    rd = reader_from(message, HEADER_LEN);
    for (unsigned i = 0; i < questions && !rd.cut; i++)
        if (!skip_question(&rd))
            return false;
    for (unsigned i = 0; i < answers && !rd.cut; i++)
        if (!read_record(&rd, &lowest_s))
            return false;
    if (rd.cut)
        return false;
    *ttl_s = lowest_s;
    return true;
}
