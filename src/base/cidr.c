/*
 * cidr.c - parse address ranges, and search lists of them.
 *
 * The search is linear: lists are short (load balancers, gateways) and searched once per
 * connection.
 */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/ipv4_mapped.h"

#define MAPPED_BITS (8u * IPV4_MAPPED_PREFIX_N)

/* Parse a prefix length: one to three digits without leading zeros, at most max. */
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

/* Parse the range as written, including host bits and mapped addresses. */
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
    /* The prefix has at least 96 bits: otherwise ffff would be host bits, rejected above. */
    if (ipv4_is_mapped(range.ip)) {
        struct cidr ipv4 = {.bits = (uint8_t)(range.bits - MAPPED_BITS)};
        memcpy(ipv4.ip, ipv4_unmap(range.ip), 4);
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
    if (is_ipv6 && ipv4_is_mapped(ip)) {
        ip = ipv4_unmap(ip);
        is_ipv6 = false;
    }
    for (size_t i = 0; i < n; i++)
        if (list[i].is_ipv6 == is_ipv6 && starts_with(ip, &list[i]))
            return true;
    return false;
}
