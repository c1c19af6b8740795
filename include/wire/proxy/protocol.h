/*
 * protocol.h - write the PROXY header that carries the client's address to a node.
 *
 * Pure: no allocation, no I/O, no clock; safe to call from any thread.
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

/* Values of the version 2 TLVs. A TLV is omitted if its span is absent. */
struct proxy_facts {
    struct span alpn;      /* PP2_TYPE_ALPN 0x01 */
    struct span authority; /* PP2_TYPE_AUTHORITY 0x02: the SNI */
    struct span unique_id; /* PP2_TYPE_UNIQUE_ID 0x05: any bytes, at most 128 */
    bool crc32c;           /* PP2_TYPE_CRC32C 0x03 */

    bool has_tls;            /* PP2_TYPE_SSL 0x20; all fields below are part of it */
    bool client_cert_conn;   /* PP2_CLIENT_CERT_CONN: certificate presented on this connection */
    bool client_cert_sess;   /* PP2_CLIENT_CERT_SESS: certificate presented in the TLS session */
    bool verified;           /* the client certificate was verified; requires one of these two */
    struct span tls_version; /* PP2_SUBTYPE_SSL_VERSION 0x21 */
    struct span tls_cn;      /* PP2_SUBTYPE_SSL_CN 0x22: the subject's common name, UTF-8 */
    struct span tls_cipher;  /* PP2_SUBTYPE_SSL_CIPHER 0x23 */
    struct span tls_sig_alg; /* PP2_SUBTYPE_SSL_SIG_ALG 0x24: of the server certificate */
    struct span tls_key_alg; /* PP2_SUBTYPE_SSL_KEY_ALG 0x25: of the server certificate */
};

#define PROXY_V1_MAX 107u         /* bytes, including CR LF, without terminator (section 2.1) */
#define PROXY_V2_MAX (16u + 500u) /* Mosquitto accepts 500 bytes after the fixed header */

/*
 * Write a version 1 or version 2 header with command PROXY.
 *
 * An IPv4-mapped IPv6 address (::ffff:a.b.c.d) counts as IPv4. If both ends are IPv4, the header is
 * IPv4. If only one is, that end is written as an IPv4-mapped IPv6 address.
 *
 * Version 1 writes IPv6 addresses as in RFC 5952, but never with a dotted tail, which section 2.1
 * does not allow. Version 2 writes only these TLVs, in this order: ALPN, AUTHORITY, UNIQUE_ID, SSL
 * with its sub-TLVs in numeric order, CRC32C.
 *
 * If the header would exceed PROXY_V2_MAX, whole TLVs are omitted in this order: KEY_ALG, SIG_ALG,
 * AUTHORITY, ALPN, UNIQUE_ID, CRC32C, then from SSL the cipher, the version and last the CN, which
 * identifies the client. The SSL TLV without sub-TLVs always fits. A small TLV can be written
 * even if a more important one was too large.
 *
 * In the SSL TLV, verify is 0 only if a client certificate was presented and verified, else 1
 * (section 2.2.6). HAProxy also sends 0 without a certificate; EMQX treats 0 as "success" and
 * anything else as "failed".
 *
 * The CN is written only if the certificate was verified, because EMQX uses it as a user name and
 * ignores verify. It must be non-empty, well-formed UTF-8 without control characters (C0, DEL, C1).
 * A unique_id of more than 128 bytes is omitted.
 *
 * Returns the number of bytes written, at most PROXY_V1_MAX or PROXY_V2_MAX.
 */
size_t proxy_v1_write(const struct proxy_endpoint *source, const struct proxy_endpoint *destination,
                      uint8_t out[PROXY_V1_MAX]);
size_t proxy_v2_write(const struct proxy_endpoint *source, const struct proxy_endpoint *destination,
                      const struct proxy_facts *facts, uint8_t out[PROXY_V2_MAX]);

#endif
