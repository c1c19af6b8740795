/*
 * dns_ttl.h - find out how long a DNS answer may be cached.
 *
 * c-ares reports the TTL of addresses, but not of SRV records.
 */
#ifndef WIRE_DNS_TTL_H
#define WIRE_DNS_TTL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "base/util.h"

/*
 * Find the lowest TTL of all records in the answer section, including aliases.
 *
 *   message   a complete DNS message
 *   ttl_s     set only on success; a TTL with its highest bit set counts as 0
 *
 * Returns false if the answer section is empty, or if the message is truncated or malformed before
 * the end of that section.
 *
 * Pure: no allocation, no I/O, no clock. Compression pointers are not followed, so the cost is
 * bounded by the message size. Source: RFC 1035 section 4.1; RFC 2181 section 8.
 */
MUST_USE bool dns_lowest_ttl(struct span message, uint32_t *ttl_s);

#endif
