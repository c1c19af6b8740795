/*
 * proxy_v2.c - the PROXY header in binary, with what TLS told us.
 *
 *   signature 12 | 0x21 | family | length 2 | addresses 12 or 36 | TLVs
 *
 * Only command PROXY over TCP: LOCAL and UNSPEC ahead of MQTT make brokers close or lose
 * the CONNECT. TLVs are weighed first (plan_tlvs), so that writing cannot run out of room.
 * Source: the PROXY protocol, sections 2.2 and 2.2.1 to 2.2.6.
 */
#include <assert.h>
#include <string.h>

#include "wire/proxy_pair.h"

#define VERSION_2_PROXY 0x21u
#define TCP_OVER_IPV4   0x11u
#define TCP_OVER_IPV6   0x21u

#define TYPE_ALPN           0x01u
#define TYPE_AUTHORITY      0x02u
#define TYPE_CRC32C         0x03u
#define TYPE_SSL            0x20u
#define SUBTYPE_SSL_VERSION 0x21u
#define SUBTYPE_SSL_CIPHER  0x23u

#define CLIENT_SSL            0x01u
#define VERIFY_NO_CERTIFICATE 1u /* any value but 0, see the header */

#define FIXED_SIZE    16u /* signature, version and command, family, length */
#define LENGTH_AT     14u
#define TLV_HEAD_SIZE 3u
#define SSL_HEAD_SIZE 5u /* client, verify */
#define CRC32C_SIZE   4u

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                      0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

/* What of the facts goes in. */
struct tlv_plan {
    bool alpn, authority, crc32c, ssl, ssl_version, ssl_cipher;
    size_t ssl_size; /* bytes of the SSL TLV's value */
};

/* Where the next byte goes. The plan has made sure that there is room. */
struct writer {
    uint8_t *p;
    size_t n;
};

static void put(struct writer *w, const void *bytes, size_t n)
{
    assert(n <= PROXY_V2_MAX - w->n);
    if (n > 0)
        memcpy(w->p + w->n, bytes, n);
    w->n += n;
}

static void put_u8(struct writer *w, unsigned value)
{
    uint8_t byte = (uint8_t)value;
    put(w, &byte, 1);
}

static void put_be(struct writer *w, uint32_t value, unsigned bytes)
{
    while (bytes-- > 0)
        put_u8(w, value >> (8 * bytes) & 0xff);
}

static void put_tlv(struct writer *w, unsigned type, struct span value)
{
    put_u8(w, type);
    put_be(w, (uint32_t)value.n, 2);
    put(w, value.p, value.n);
}

/* Take a TLV with n bytes of value out of the room, if it fits. */
static bool take(size_t *room, size_t n)
{
    if (*room < TLV_HEAD_SIZE || n > *room - TLV_HEAD_SIZE)
        return false;
    *room -= TLV_HEAD_SIZE + n;
    return true;
}

static bool take_span(size_t *room, struct span value)
{
    return value.p && take(room, value.n);
}

/* Room goes first to what a node decides by. */
static struct tlv_plan plan_tlvs(const struct proxy_facts *facts, size_t room)
{
    struct tlv_plan plan = {.ssl = facts->has_tls && take(&room, SSL_HEAD_SIZE)};
    if (plan.ssl) {
        size_t before = room;
        plan.ssl_version = take_span(&room, facts->tls_version);
        plan.ssl_cipher = take_span(&room, facts->tls_cipher);
        plan.ssl_size = SSL_HEAD_SIZE + before - room;
    }
    plan.crc32c = facts->crc32c && take(&room, CRC32C_SIZE);
    plan.alpn = take_span(&room, facts->alpn);
    plan.authority = take_span(&room, facts->authority);
    return plan;
}

/* CRC-32C (Castagnoli, reflected), bit by bit: a header is short, a table would be longer. */
static uint32_t crc32c(const uint8_t *p, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static void put_addresses(struct writer *w, const struct proxy_pair *pair)
{
    size_t ip_size = pair->is_ipv6 ? 16 : 4;
    put(w, pair->source.ip, ip_size);
    put(w, pair->destination.ip, ip_size);
    put(w, &pair->source.port_be, 2);
    put(w, &pair->destination.port_be, 2);
}

static void put_ssl(struct writer *w, const struct proxy_facts *facts, const struct tlv_plan *plan)
{
    put_u8(w, TYPE_SSL);
    put_be(w, (uint32_t)plan->ssl_size, 2);
    put_u8(w, CLIENT_SSL);
    put_be(w, VERIFY_NO_CERTIFICATE, 4);
    if (plan->ssl_version)
        put_tlv(w, SUBTYPE_SSL_VERSION, facts->tls_version);
    if (plan->ssl_cipher)
        put_tlv(w, SUBTYPE_SSL_CIPHER, facts->tls_cipher);
}

static void put_tlvs(struct writer *w, const struct proxy_facts *facts, const struct tlv_plan *plan)
{
    static const uint8_t zeros[CRC32C_SIZE];
    if (plan->alpn)
        put_tlv(w, TYPE_ALPN, facts->alpn);
    if (plan->authority)
        put_tlv(w, TYPE_AUTHORITY, facts->authority);
    if (plan->ssl)
        put_ssl(w, facts, plan);
    if (plan->crc32c)
        put_tlv(w, TYPE_CRC32C, span_of(zeros, sizeof(zeros)));
}

size_t proxy_v2_write(const struct proxy_endpoint *source, const struct proxy_endpoint *destination,
                      const struct proxy_facts *facts, uint8_t out[PROXY_V2_MAX])
{
    struct proxy_pair pair = proxy_pair_of(source, destination);
    struct writer w = {.p = out};
    put(&w, signature, sizeof(signature));
    put_u8(&w, VERSION_2_PROXY);
    put_u8(&w, pair.is_ipv6 ? TCP_OVER_IPV6 : TCP_OVER_IPV4);
    put_be(&w, 0, 2); /* the length, once it is known */
    put_addresses(&w, &pair);
    struct tlv_plan plan = plan_tlvs(facts, PROXY_V2_MAX - w.n);
    put_tlvs(&w, facts, &plan);

    struct writer length = {.p = out, .n = LENGTH_AT};
    put_be(&length, (uint32_t)(w.n - FIXED_SIZE), 2);
    if (plan.crc32c) {
        /* Over the whole header with the checksum's own bytes zero; it is the last TLV. */
        struct writer sum = {.p = out, .n = w.n - CRC32C_SIZE};
        put_be(&sum, crc32c(out, w.n), 4);
    }
    return w.n;
}
