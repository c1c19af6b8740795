/*
 * proxy_protocol.h - write the PROXY header that tells a node the device's real address.
 *
 * Pure: no allocation, no I/O, no clock; safe from any thread.
 * Source: The PROXY protocol, versions 1 & 2 (HAProxy, doc/proxy-protocol.txt), section 2.
 */
#ifndef WIRE_PROXY_PROTOCOL_H
#define WIRE_PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "base/util.h"

/* One end of the proxied connection, in network byte order. */
struct proxy_endpoint {
    bool is_ipv6;
    uint8_t ip[16];   /* IPv4 in the first four bytes */
    uint16_t port_be;
};

/* Facts for the version 2 TLVs; an absent span leaves the TLV out. */
struct proxy_facts {
    struct span alpn;        /* PP2_TYPE_ALPN 0x01 */
    struct span authority;   /* PP2_TYPE_AUTHORITY 0x02: the SNI */
    bool crc32c;             /* PP2_TYPE_CRC32C 0x03 */
    bool has_tls;            /* PP2_TYPE_SSL 0x20, with the sub-TLVs below */
    struct span tls_version; /* PP2_SUBTYPE_SSL_VERSION 0x21 */
    struct span tls_cipher;  /* PP2_SUBTYPE_SSL_CIPHER 0x23 */
};

#define PROXY_V1_MAX 107u        /* bytes, CR LF included, no terminator (section 2.1) */
#define PROXY_V2_MAX (16u + 500u) /* Mosquitto takes at most 500 bytes after the fixed header */

/*
 * Write a version 1 or 2 header of command PROXY into out.
 *
 * IPv4-mapped IPv6 (::ffff:a.b.c.d) on both ends is written as IPv4; when only one end is
 * IPv4 the other is written as its IPv4-mapped IPv6 form. A version 2 TLV that would take
 * the header past PROXY_V2_MAX is left out, whole, the SSL TLV last of all to go.
 *
 * Returns the bytes written, at most PROXY_V1_MAX or PROXY_V2_MAX.
 */
size_t proxy_v1_write(const struct proxy_endpoint *source, const struct proxy_endpoint *destination,
                      uint8_t out[PROXY_V1_MAX]);
size_t proxy_v2_write(const struct proxy_endpoint *source, const struct proxy_endpoint *destination,
                      const struct proxy_facts *facts, uint8_t out[PROXY_V2_MAX]);

#endif
