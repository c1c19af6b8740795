/*
 * cidr.h - address ranges such as "10.0.0.0/8".
 *
 * An IPv4-mapped IPv6 address (::ffff:a.b.c.d) is treated as its IPv4 address, in ranges and in
 * lookups, so that a dual-stack listener trusts the same peers as an IPv4 listener. Therefore,
 * "::/0" contains all IPv6 addresses, but no IPv4 address.
 *
 * Pure: no allocation, no I/O, no clock; safe to call from any thread.
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
    uint8_t ip[16]; /* first address of the range; IPv4 uses the first four bytes, the rest is 0 */
    uint8_t bits;   /* prefix length: 0..32, or 0..128 for IPv6 */
};

/*
 * Parse "192.0.2.0/24", "2001:db8::/32", or a single address, which is a range of one.
 *
 * Returns false and leaves *out unchanged if the text is not a range, has leading zeros or a zone,
 * or if the length is out of range. Also returns false if host bits are set ("10.0.0.1/8"), because
 * either the address or the length may be mistyped; cidr_has_host_bits() detects this case.
 */
MUST_USE bool cidr_parse(const char *text, struct cidr *out);

/* Whether the text would be a valid range if no host bits were set. */
bool cidr_has_host_bits(const char *text);

/* Whether the address is in one of the n ranges. IPv4 uses the first four bytes of ip. */
bool cidr_contains(const struct cidr *list, size_t n, const uint8_t ip[16], bool is_ipv6);

#endif
