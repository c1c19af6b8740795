/*
 * read.h - parse the PROXY header of a balancer in front of the router.
 *
 * TLS, a WebSocket upgrade or a CONNECT may follow the header: the parser returns how many bytes
 * may be read from the socket without passing the header's end, so that nothing has to be peeked or
 * pushed back.
 *
 * Where the specification leaves a choice, this parser
 *   accepts   version 2 of family or transport UNSPEC, DGRAM, AF_UNIX: with the socket's own
 *             address, as UNKNOWN and LOCAL (section 2.2 asks for this fallback); LOCAL with
 *             any family byte (it "is ignored") and whatever stands behind it; AUTHORITY of
 *             any length and bytes (it is opaque here); types it does not know; a type that
 *             occurs more than once, of which the last one counts, with its sub-TLVs; anything
 *             but CR LF behind "UNKNOWN ", a lone LF included; in a TCP6 line every text form
 *             that inet_pton() takes ("::ffff:192.0.2.1"), and one IPv4 address beside one IPv6
 *             address (nginx behind another balancer)
 *   refuses   "UNKNOWNX"; two IPv4 addresses in a TCP6 line; CRC32C given twice (neither can be
 *             right); one or two bytes behind the last TLV, which cannot be one; a version 2
 *             header of more than PROXY_READ_MAX
 *   skips     everything behind the 16 fixed bytes of LOCAL and of family UNSPEC (nobody knows
 *             where TLVs would start); NOOP, NETNS, custom and unknown types, newer sub-TLVs
 *
 * The caller first checks that the peer may send a header (trusted_proxies).
 *
 * Pure: no allocation, no I/O, no clock; safe from any thread.
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
 * The maximum header size. The specification guarantees senders only one segment of 536 bytes;
 * about eight times that leaves room for certificates, and bounds the memory per connection.
 */
#define PROXY_READ_MAX (16u + 4096u)

struct proxy_header {
    unsigned version; /* 1 or 2 */
    /* false for LOCAL, UNKNOWN, and what is not TCP over IPv4 or IPv6: use the socket's addresses
     */
    bool has_address;
    /* As received: IPv4-mapped IPv6 is kept, and a TCP6 line may have one IPv4 address. */
    struct proxy_endpoint source, destination;
    /*
     * What the TLVs said, its spans inside the caller's bytes. crc32c: there was a checksum,
     * and it is right. has_tls: PP2_CLIENT_SSL was set; without it nothing else of the SSL
     * TLV counts. verified: verify was 0 and one of the certificate bits set. tls_cn: only
     * of a verified certificate, but with any bytes in it. No version 1 header says any.
     */
    struct proxy_facts facts;
    /*
     * PARSE_BAD: the name of the violated rule, static.
     *   signature      neither version's first bytes                        section 2
     *   v1_protocol    neither TCP4, TCP6 nor UNKNOWN                        section 2.1
     *   v1_address     no address of that family, two of IPv4 in a TCP6 line, or not one space
     *                  behind it
     *   v1_port        no decimal 0 to 65535, or not the right byte behind it
     *   v1_line_end    no LF behind the CR that ends the line
     *   v1_too_long    no CR LF can come within 107 bytes
     *   v2_version     another version than 2                                section 2.2
     *   v2_command     neither LOCAL nor PROXY
     *   v2_family      an unknown family or transport
     *   v2_length      too short for the addresses, or over PROXY_READ_MAX
     *   tlv_length     a TLV that does not fit, has a wrong size, or leaves a stump
     *   ssl_tlv_length the same inside the SSL TLV                           section 2.2.6
     *   crc32c         the checksum does not match                           section 2.2.3
     *   crc32c_twice   a second checksum
     */
    const char *fault;
};

/*
 * Read a header.
 *
 *   in    all bytes received so far, from the first one; may be empty. Bytes behind
 *         the header change nothing
 *   out   filled on PARSE_DONE; only its fault on PARSE_BAD; untouched on PARSE_MORE
 *   next  on PARSE_MORE the number of further bytes that certainly belong to the header, at least
 * 1: read no more than these and call again with all bytes. 12 at the beginning; version 2 then
 * needs 4 and the rest, version 1 five to ten reads. On PARSE_DONE the header's size; untouched on
 * PARSE_BAD
 *
 * PARSE_BAD is returned on the earliest byte that proves it, for the checksum on the last. The
 * result does not depend on how the input was split. Stateless.
 */
MUST_USE enum parse_result proxy_read(struct span in, struct proxy_header *out, size_t *next);

#endif
