/*
 * ipv4_mapped.h - IPv4-mapped IPv6 addresses, ::ffff:a.b.c.d, as bytes in network order.
 *
 * Source: RFC 4291 section 2.5.5.2.
 */
#ifndef BASE_IPV4_MAPPED_H
#define BASE_IPV4_MAPPED_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define IPV4_MAPPED_PREFIX_N 12u /* bytes before the IPv4 address */

static inline bool ipv4_is_mapped(const uint8_t ipv6[16])
{
    static const uint8_t prefix[IPV4_MAPPED_PREFIX_N] = {[10] = 0xff, [11] = 0xff};
    return memcmp(ipv6, prefix, sizeof(prefix)) == 0;
}

/* Return a pointer to the IPv4 address inside a mapped address. */
static inline const uint8_t *ipv4_unmap(const uint8_t ipv6[16])
{
    return ipv6 + IPV4_MAPPED_PREFIX_N;
}

/* Write the mapped form of an IPv4 address. The buffers must not overlap. */
static inline void ipv4_map(const uint8_t ipv4[4], uint8_t ipv6[16])
{
    memset(ipv6, 0, IPV4_MAPPED_PREFIX_N - 2);
    memset(ipv6 + IPV4_MAPPED_PREFIX_N - 2, 0xff, 2);
    memcpy(ipv6 + IPV4_MAPPED_PREFIX_N, ipv4, 4);
}

#endif
