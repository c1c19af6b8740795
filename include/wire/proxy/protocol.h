/*
 * protocol.h - write the PROXY header that carries the client's address to a node.
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
    struct span alpn;      /* PP2_TYPE_ALPN 0x01 */
    struct span authority; /* PP2_TYPE_AUTHORITY 0x02: the SNI */
    struct span unique_id; /* PP2_TYPE_UNIQUE_ID 0x05: at most 128 bytes, of any kind */
    bool crc32c;           /* PP2_TYPE_CRC32C 0x03 */

    bool has_tls;          /* PP2_TYPE_SSL 0x20, with all that follows */
    bool client_cert_conn; /* PP2_CLIENT_CERT_CONN: a client certificate was sent on this connection
                            */
    bool client_cert_sess; /* PP2_CLIENT_CERT_SESS: or in the first handshake of the TLS session */
    bool verified;         /* and it was verified; valid only with one of the two above */
    struct span tls_version; /* PP2_SUBTYPE_SSL_VERSION 0x21 */
    struct span tls_cn;      /* PP2_SUBTYPE_SSL_CN 0x22: the subject's common name, UTF-8 */
    struct span tls_cipher;  /* PP2_SUBTYPE_SSL_CIPHER 0x23 */
    struct span tls_sig_alg; /* PP2_SUBTYPE_SSL_SIG_ALG 0x24: of OUR certificate */
    struct span tls_key_alg; /* PP2_SUBTYPE_SSL_KEY_ALG 0x25: of OUR certificate */
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
 * tail), else as RFC 5952 does. Version 2 writes the TLVs in the order ALPN, AUTHORITY,
 * UNIQUE_ID, SSL, CRC32C, the sub-TLVs of SSL by their numbers, and no other than these.
 *
 * A TLV that would exceed PROXY_V2_MAX is left out as a whole, in this order: KEY_ALG, SIG_ALG,
 * AUTHORITY, ALPN, UNIQUE_ID, CRC32C, then of SSL the cipher, the version and last the CN, which is
 * the client's identity. The five bytes of the SSL TLV always fit. A small TLV may fit where a more
 * important one was too large.
 *
 * The SSL TLV contains PP2_CLIENT_SSL, the two certificate bits, and verify = 0 only for a client
 * certificate that was presented and verified, else 1 (section 2.2.6; HAProxy sends 0 without a
 * certificate; EMQX treats 0 as "success", anything else as "failed").
 *
 * The CN is written only for a verified certificate (EMQX uses it as user name and ignores verify),
 * and only if it is not empty, well-formed UTF-8 and free of control characters (C0, DEL, C1). A
 * unique_id of more than 128 bytes is left out.
 *
 * Returns the bytes written, at most PROXY_V1_MAX or PROXY_V2_MAX.
 */
size_t proxy_v1_write(const struct proxy_endpoint *source, const struct proxy_endpoint *destination,
                      uint8_t out[PROXY_V1_MAX]);
size_t proxy_v2_write(const struct proxy_endpoint *source, const struct proxy_endpoint *destination,
                      const struct proxy_facts *facts, uint8_t out[PROXY_V2_MAX]);

#endif
