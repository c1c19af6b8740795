/*
 * cidr.c - ranges of addresses.
 *
 * Lists are short (the balancers in front of us) and asked once a connection: they are walked.
 */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <string.h>

#define MAPPED_BITS 96u

/* ::ffff:0:0/96, RFC 4291 section 2.5.5.2 */
static const uint8_t mapped_prefix[MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};

static bool is_mapped(const uint8_t ip[16])
{
    return memcmp(ip, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

/* One to three digits without leading zeros, at most max. */
static bool parse_bits(const char *text, uint8_t max, uint8_t *out)
{
    unsigned value = 0;
    size_t n = strlen(text);

    if (n == 0 || n > 3 || (n > 1 && text[0] == '0'))
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (unsigned)(*text - '0');
    }
    if (value > max)
        return false;
    *out = (uint8_t)value;
    return true;
}

/* The range as it is written, host bits and mapped addresses included. */
static bool parse_as_written(const char *text, struct cidr *out)
{
    char ip[INET6_ADDRSTRLEN];
    size_t n = strcspn(text, "/");

    if (n >= sizeof(ip))
        return false;
    memcpy(ip, text, n);
    ip[n] = '\0';
    *out = (struct cidr){.is_ipv6 = strchr(ip, ':') != NULL};
    if (inet_pton(out->is_ipv6 ? AF_INET6 : AF_INET, ip, out->ip) != 1)
        return false;
    const uint8_t whole = out->is_ipv6 ? 128 : 32;
    out->bits = whole;
    return text[n] == '\0' || parse_bits(text + n + 1, whole, &out->bits);
}

static bool has_host_bits(const struct cidr *range)
{
    for (size_t bit = range->bits; bit < 128; bit++)
        if (range->ip[bit / 8] & 0x80 >> bit % 8)
            return true;
    return false;
}

bool cidr_parse(const char *text, struct cidr *out)
{
    struct cidr range;

    if (!parse_as_written(text, &range) || has_host_bits(&range))
        return false;
    /* All 96 bits are the range's: the last of them is set, and would be a host bit. */
    if (is_mapped(range.ip)) {
        struct cidr ipv4 = {.bits = (uint8_t)(range.bits - MAPPED_BITS)};
        memcpy(ipv4.ip, range.ip + sizeof(mapped_prefix), 4);
        range = ipv4;
    }
    *out = range;
    return true;
}

bool cidr_has_host_bits(const char *text)
{
    struct cidr range;

    return parse_as_written(text, &range) && has_host_bits(&range);
}

static bool starts_with(const uint8_t *ip, const struct cidr *range)
{
    const size_t bytes = range->bits / 8, rest = range->bits % 8;

    if (memcmp(ip, range->ip, bytes) != 0)
        return false;
    return rest == 0 || (ip[bytes] ^ range->ip[bytes]) >> (8 - rest) == 0;
}

bool cidr_contains(const struct cidr *list, size_t n, const uint8_t ip[16], bool is_ipv6)
{
    if (is_ipv6 && is_mapped(ip)) {
        ip += sizeof(mapped_prefix);
        is_ipv6 = false;
    }
    for (size_t i = 0; i < n; i++)
        if (list[i].is_ipv6 == is_ipv6 && starts_with(ip, &list[i]))
            return true;
    return false;
}
