/*
 * format.h - definitions shared by the writers and readers of PROXY headers. Private to
 * wire/proxy/.
 *
 *   signature 12 | version and command | family and transport | length 2 | addresses | TLVs
 *
 * Source: the PROXY protocol, sections 2.2 and 2.2.1 to 2.2.6.
 */
#ifndef WIRE_PROXY_FORMAT_H
#define WIRE_PROXY_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "wire/proxy/protocol.h"

#define PROXY_SIGNATURE      "\r\n\r\n\0\r\nQUIT\n" /* contains a NUL; C adds another */
#define PROXY_SIGNATURE_SIZE 12u
#define PROXY_FIXED_SIZE     16u /* up to and including the length */

#define PROXY_VERSION_2      0x2u
#define PROXY_COMMAND_LOCAL  0x0u
#define PROXY_COMMAND_PROXY  0x1u
#define PROXY_FAMILY_UNSPEC  0x0u
#define PROXY_FAMILY_INET    0x1u
#define PROXY_FAMILY_INET6   0x2u
#define PROXY_FAMILY_UNIX    0x3u
#define PROXY_TRANSPORT_TCP  0x1u /* STREAM */
#define PROXY_TRANSPORT_LAST 0x2u /* DGRAM */

#define PROXY_ADDRESSES_INET  12u /* bytes: two addresses, two ports */
#define PROXY_ADDRESSES_INET6 36u
#define PROXY_ADDRESSES_UNIX  216u

#define PROXY_TLV_HEAD_SIZE 3u /* type, length */
#define PROXY_UNIQUE_ID_MAX 128u
#define PROXY_SSL_HEAD_SIZE 5u /* client, verify */

enum pp2_type {
    PP2_TYPE_ALPN = 0x01,
    PP2_TYPE_AUTHORITY = 0x02,
    PP2_TYPE_CRC32C = 0x03,
    PP2_TYPE_UNIQUE_ID = 0x05,
    PP2_TYPE_SSL = 0x20
};

/* Inside the SSL TLV. */
enum pp2_subtype {
    PP2_SUBTYPE_SSL_VERSION = 0x21,
    PP2_SUBTYPE_SSL_CN = 0x22,
    PP2_SUBTYPE_SSL_CIPHER = 0x23,
    PP2_SUBTYPE_SSL_SIG_ALG = 0x24,
    PP2_SUBTYPE_SSL_KEY_ALG = 0x25
};

enum pp2_client { PP2_CLIENT_SSL = 0x01, PP2_CLIENT_CERT_CONN = 0x02, PP2_CLIENT_CERT_SESS = 0x04 };

struct proxy_pair {
    bool is_ipv6; /* family of both ends */
    struct proxy_endpoint source;
    struct proxy_endpoint destination;
};

/* Convert both ends to one family: IPv4 if both are IPv4 or IPv4-mapped, else IPv6. */
struct proxy_pair proxy_pair_of(const struct proxy_endpoint *source,
                                const struct proxy_endpoint *destination);

#define CRC32C_SIZE 4u /* bytes on the wire, big endian in a PROXY header */

/*
 * Extend a CRC-32C (Castagnoli) by more bytes, starting with 0.
 * Source: RFC 4960 appendix B; the PROXY protocol, section 2.2.3.
 */
uint32_t crc32c(uint32_t crc, struct span more);

#endif
