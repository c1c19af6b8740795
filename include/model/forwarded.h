/*
 * forwarded.h - find the device's address in X-Forwarded-For.
 *
 * Every proxy appends the address of its own peer. Our peer wrote the right-most entry, and the
 * proxy in that entry wrote the one to its left, and so on. Only entries written by trusted proxies
 * are used. Entries forged by a device are to the left of its real address, and are never reached.
 *
 * Pure: no allocation, no I/O, no clock; safe to call from any thread.
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
 * Find the device's address: the right-most entry that is not a trusted proxy. If all are trusted,
 * it is the left-most (a device inside the trusted network).
 *
 *   list        the values of all such header fields, in order and joined with commas. A list
 *               without its beginning must start after a comma, because part of an address can be
 *               a valid address
 *   trusted, n  the trusted proxies; the caller has checked that our peer is one of them
 *   out         port 0 if the entry has no port; IPv4-mapped IPv6 addresses are not converted
 *
 * An entry is "192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]" or
 * "[2001:db8::1]:4711", and can have spaces and tabs around it. Empty entries are skipped.
 *
 * Returns false, and leaves *out untouched, if there is no entry, or if an invalid one ("unknown",
 * "_hidden", quotes, a zone) is found before an untrusted one: the proxy did not know the device's
 * address. The caller then uses the address of the socket.
 */
MUST_USE bool forwarded_pick(struct span list, const struct cidr *trusted, size_t n,
                             struct proxy_endpoint *out);

#endif
