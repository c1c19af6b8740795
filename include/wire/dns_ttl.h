/*
 * dns_ttl.h - how long a DNS answer may be kept.
 *
 * c-ares tells the TTL of addresses, but not that of SRV records.
 */
#ifndef WIRE_DNS_TTL_H
#define WIRE_DNS_TTL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "base/util.h"

/*
 * Find the lowest TTL among all records of the response section, aliases included.
 *
 *   message   a whole DNS message
 *   ttl_s     filled only on success; a TTL with its highest bit set counts as 0
 *
 * False when the message is cut or malformed up to the answer section's end, or has no answer.
 *
 * Pure: no allocation, no I/O, no clock. Names are stepped over, and no compression pointer is
 * followed, so the work is bounded by the message's size.
 * Source: RFC 1035 section 4.1; RFC 2181 section 8.
 */
MUST_USE bool dns_lowest_ttl(struct span message, uint32_t *ttl_s);

#endif
