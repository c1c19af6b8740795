/*
 * format.c - the address pair and the checksum of a PROXY header.
 *
 * A dual-stack listener sees IPv4 devices as IPv4-mapped IPv6. A node must see the same address for
 * a device regardless of the listener it uses, so a mapped address is written as IPv4.
 */
#include "format.h"

#include <string.h>

#include "base/ipv4_mapped.h"

static bool is_ipv4(const struct proxy_endpoint *end)
{
    return !end->is_ipv6 || ipv4_is_mapped(end->ip);
}

static struct proxy_endpoint as_ipv4(const struct proxy_endpoint *end)
{
    struct proxy_endpoint out = {.is_ipv6 = false, .port_be = end->port_be};
    memcpy(out.ip, end->is_ipv6 ? ipv4_unmap(end->ip) : end->ip, 4);
    return out;
}

static struct proxy_endpoint as_ipv6(const struct proxy_endpoint *end)
{
    if (end->is_ipv6)
        return *end;
    struct proxy_endpoint out = {.is_ipv6 = true, .port_be = end->port_be};
    ipv4_map(end->ip, out.ip);
    return out;
}

struct proxy_pair proxy_pair_of(const struct proxy_endpoint *source,
                                const struct proxy_endpoint *destination)
{
    if (is_ipv4(source) && is_ipv4(destination))
        return (struct proxy_pair){
            .is_ipv6 = false, .source = as_ipv4(source), .destination = as_ipv4(destination)};
    return (struct proxy_pair){
        .is_ipv6 = true, .source = as_ipv6(source), .destination = as_ipv6(destination)};
}

/* No lookup table: a header is short, and a table would be larger than this code. */
#define CRC32C_POLYNOMIAL_REFLECTED 0x82f63b78u

uint32_t crc32c(uint32_t crc, struct span more)
{
    crc = ~crc;
    for (size_t i = 0; i < more.n; i++) {
        crc ^= more.p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? CRC32C_POLYNOMIAL_REFLECTED : 0);
    }
    return ~crc;
}
