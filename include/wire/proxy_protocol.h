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
    uint8_t ip[16]; /* IPv4 in the first four bytes */
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

#define PROXY_V1_MAX 107u         /* bytes, CR LF included, no terminator (section 2.1) */
#define PROXY_V2_MAX (16u + 500u) /* Mosquitto takes at most 500 bytes after the fixed header */

/*
 * Write a version 1 or 2 header of command PROXY into out.
 *
 * IPv4-mapped IPv6 (::ffff:a.b.c.d) counts as IPv4. When both ends are IPv4 the header is;
 * when only one is, that end is written as its IPv4-mapped IPv6 form.
 *
 * Version 1 writes IPv6 in groups of hexadecimal digits only (section 2.1 knows no dotted
 * tail), else as RFC 5952 does. Version 2 writes the TLVs in the order ALPN, AUTHORITY, SSL,
 * CRC32C. One that would take the header past PROXY_V2_MAX is left out, whole: room goes
 * first to SSL (a sub-TLV that does not fit is left out alone), then CRC32C, ALPN, AUTHORITY.
 *
 * The SSL TLV says PP2_CLIENT_SSL and verify = 1: section 2.2.6 keeps 0 for a client
 * certificate that was presented and verified, and nothing here ever verified one. (HAProxy
 * says 0 without any certificate; EMQX reads 0 as "success", all else as "failed".)
 *
 * Returns the bytes written, at most PROXY_V1_MAX or PROXY_V2_MAX.
 */
size_t proxy_v1_write(const struct proxy_endpoint *source, const struct proxy_endpoint *destination,
                      uint8_t out[PROXY_V1_MAX]);
size_t proxy_v2_write(const struct proxy_endpoint *source, const struct proxy_endpoint *destination,
                      const struct proxy_facts *facts, uint8_t out[PROXY_V2_MAX]);

#endif
