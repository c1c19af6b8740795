/*
 * forwarded.h - which address in X-Forwarded-For is the device's?
 *
 * Every proxy appends the address of its own peer, so the list reads from the device to us, and
 * only what trusted proxies wrote is true: the right-most entry was written by our peer, each
 * other one by the proxy that the entry to its right names. What a device puts in by itself
 * stands to the left of what is true about it, and is never reached.
 *
 * Pure: no allocation, no I/O, no clock; safe from any thread.
 * Source: MDN, X-Forwarded-For, "Selecting an IP address" (trusted proxy list); RFC 7239
 * sections 7.4 and 8.1; RFC 9110 section 5.6.1.2 for empty entries.
 */
#ifndef MODEL_FORWARDED_H
#define MODEL_FORWARDED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cidr.h"
#include "base/span.h"
#include "base/util.h"
#include "wire/proxy/protocol.h"

/*
 * Pick the device's address: the right-most entry that is not itself a trusted proxy, or, when
 * all are trusted, the left-most (a device inside the trusted network).
 *
 *   list        the values of all such header fields, joined with commas in their order; when
 *               only its right-most part was kept, cut behind a comma: half an address may
 *               be a good one too
 *   trusted, n  the trusted proxies; the caller has found our own peer among them
 *   out         port 0 when the entry has none; IPv4-mapped IPv6 as it was written
 *
 * An entry is "192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]" or
 * "[2001:db8::1]:4711", with spaces and tabs around it. Empty entries count for nothing.
 *
 * False, *out untouched, when there is no entry, or an entry that is none of these ("unknown",
 * "_hidden", quotes, a zone) comes before an untrusted one from the right: a trusted proxy
 * did not know, so nobody does. Use the socket's own address then.
 */
MUST_USE bool forwarded_pick(struct span list, const struct cidr *trusted, size_t n,
                             struct proxy_endpoint *out);

#endif
