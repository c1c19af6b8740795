/*
 * cidr.h - address ranges such as "10.0.0.0/8".
 *
 * An IPv4-mapped IPv6 address (::ffff:a.b.c.d) counts as its IPv4 address, both in a range and in
 * a search, so that a dual-stack listener trusts the same peers as an IPv4 listener. "::/0"
 * therefore contains every IPv6 address and no IPv4 address.
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
    uint8_t bits;   /* prefix length: 0..32, or 0..128 for IPv6 */
};

/*
 * Parse "192.0.2.0/24", "2001:db8::/32", or a single address, which is a range of one.
 *
 * False, with *out untouched, for other text, leading zeros, a zone, or a length out of range. Also
 * false if bits after the prefix are set ("10.0.0.1/8"), since the length may be mistyped as well
 * as the address; cidr_has_host_bits() detects this case.
 */
MUST_USE bool cidr_parse(const char *text, struct cidr *out);

/* Whether the text is a range except that bits after the prefix are set. */
bool cidr_has_host_bits(const char *text);

/* Is the address in one of the n ranges? IPv4 in the first four bytes of ip. */
bool cidr_contains(const struct cidr *list, size_t n, const uint8_t ip[16], bool is_ipv6);

#endif
