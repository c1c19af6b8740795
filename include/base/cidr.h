/*
 * cidr.h - ranges of addresses, as "10.0.0.0/8" names them: whom do we trust?
 *
 * An IPv4-mapped IPv6 address (::ffff:a.b.c.d) is the IPv4 address in it, in a range and when
 * it is looked up, so that a dual-stack listener trusts the same peers as an IPv4 one. So
 * "::/0" is every IPv6 address and no IPv4 one.
 *
 * Pure: no allocation, no I/O, no clock; safe from any thread.
 * Source: RFC 4632 section 3.1; RFC 4291 sections 2.3 and 2.5.5.2.
 */
#ifndef BASE_CIDR_H
#define BASE_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util.h"

struct cidr {
    bool is_ipv6;
    uint8_t ip[16]; /* the first address; IPv4 in the first four bytes, the rest 0 */
    uint8_t bits;   /* how many of them all addresses share: 0..32, or 0..128 */
};

/*
 * Parse "192.0.2.0/24", "2001:db8::/32", or an address alone, which is a range of one.
 *
 * False when it is neither: other text, leading zeros, a zone, a length out of range; or when
 * bits are set behind the length ("10.0.0.1/8"), which is as likely a mistyped length as
 * a mistyped address: cidr_has_host_bits() tells this from the rest. *out untouched then.
 */
MUST_USE bool cidr_parse(const char *text, struct cidr *out);

/* True when only bits set behind the length keep the text from being a range. */
bool cidr_has_host_bits(const char *text);

/* Is the address in one of the n ranges? IPv4 in the first four bytes of ip. */
bool cidr_contains(const struct cidr *list, size_t n, const uint8_t ip[16], bool is_ipv6);

#endif
