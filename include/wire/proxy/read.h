/*
 * read.h - parse the PROXY header sent by a load balancer in front of the router.
 *
 * TLS, a WebSocket upgrade or a CONNECT follows the header. The parser returns how many bytes can
 * be read from the socket without reading past the header, so the caller does not have to peek.
 *
 * Where the specification leaves a choice, this parser
 *   accepts   version 1: after "UNKNOWN ", anything up to CR LF, including a lone LF; in a TCP6
 *             line, any address that inet_pton() accepts ("::ffff:192.0.2.1"), and one IPv4 address
 *             together with one IPv6 address (nginx behind another load balancer)
 *             version 2: UNSPEC, DGRAM and AF_UNIX, for which the socket's own addresses are used
 *             as for UNKNOWN and LOCAL (the fallback of section 2.2); LOCAL with any family byte,
 *             which "is ignored", and any bytes after it; AUTHORITY with any bytes of any length;
 *             unknown types; a repeated type, of which the last one counts, with its sub-TLVs
 *   rejects   version 1: "UNKNOWNX"; two IPv4 addresses in a TCP6 line
 *             version 2: a second CRC32C (each would have to cover the other); one or two bytes
 *             after the last TLV, too few for another TLV; a header larger than PROXY_READ_MAX
 *   skips     everything after the 16 fixed bytes of LOCAL and of family UNSPEC (the position of
 *             TLVs is not defined); NOOP, NETNS, custom and unknown types, newer sub-TLVs
 *
 * The caller first checks that the peer may send a header (trusted_proxies).
 *
 * Pure: no allocation, no I/O, no clock; safe to call from any thread.
 * Source: The PROXY protocol, versions 1 & 2 (HAProxy, doc/proxy-protocol.txt), section 2.
 */
#ifndef WIRE_PROXY_READ_H
#define WIRE_PROXY_READ_H

#include <stdbool.h>
#include <stddef.h>

#include "base/parse.h"
#include "base/span.h"
#include "base/util.h"
#include "protocol.h"

/*
 * Maximum header size. Senders can only rely on 536 bytes, one TCP segment. About eight times that
 * leaves room for certificates, and bounds the memory per connection.
 */
#define PROXY_READ_MAX (16u + 4096u)

struct proxy_header {
    unsigned version; /* 1 or 2 */
    /* false for LOCAL, UNKNOWN and anything but TCP over IPv4 or IPv6: use the socket's address */
    bool has_address;
    /* As received: IPv4-mapped IPv6 is kept, and a TCP6 line can have one IPv4 address. */
    struct proxy_endpoint source, destination;
    /*
     * Values of the TLVs, with spans into the caller's bytes. Empty for version 1.
     *   crc32c     the header has a checksum, and it matches
     *   has_tls    PP2_CLIENT_SSL is set; otherwise the rest of the SSL TLV is ignored
     *   verified   verify is 0, and a certificate bit is set
     *   tls_cn     only of a verified certificate; can contain any bytes
     */
    struct proxy_facts facts;
    /*
     * PARSE_BAD: the name of the violated rule, static.
     *   signature      the first bytes match neither version                 section 2
     *   v1_protocol    not TCP4, TCP6 or UNKNOWN                             section 2.1
     *   v1_address     not an address of that family, a second IPv4 address in a TCP6 line, or not
     *                  followed by one space
     *   v1_port        not a decimal number 0 to 65535, or followed by a wrong byte
     *   v1_line_end    no LF after the CR that ends the line
     *   v1_too_long    CR LF is not possible within 107 bytes
     *   v2_version     not version 2                                         section 2.2
     *   v2_command     neither LOCAL nor PROXY
     *   v2_family      an unknown family or transport
     *   v2_length      too short for the addresses, or above PROXY_READ_MAX
     *   tlv_length     a TLV does not fit, has a wrong size, or is followed by one or two bytes
     *   ssl_tlv_length the same inside the SSL TLV                           section 2.2.6
     *   crc32c         the checksum does not match                           section 2.2.3
     *   crc32c_twice   a second checksum
     */
    const char *fault;
};

/*
 * Parse a header.
 *
 *   in    all bytes received so far; may be empty; bytes after the header are ignored
 *   out   set on PARSE_DONE; only its fault is set on PARSE_BAD; untouched on PARSE_MORE
 *   next  PARSE_MORE: minimum number of missing bytes, at least 1: read no more than these, and
 *         call again with all bytes. First 12; then version 2 needs 4 and the rest, version 1 five
 *         to ten reads. PARSE_DONE: size of the header. Untouched on PARSE_BAD
 *
 * PARSE_BAD is returned at the first invalid byte, for a wrong checksum at the last byte. The
 * result does not depend on how the input is split. No state is kept between calls.
 */
MUST_USE enum parse_result proxy_read(struct span in, struct proxy_header *out, size_t *next);

#endif
