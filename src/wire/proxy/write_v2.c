/*
 * write_v2.c - write a PROXY header of version 2 (binary), with TLS facts.
 *
 *   signature 12 | 0x21 | family | length 2 | addresses 12 or 36 | TLVs
 *
 * Writes only command PROXY over TCP: on LOCAL or UNSPEC, brokers close the connection or lose the
 * CONNECT. Writes only SSL sub-TLVs 0x21 to 0x25: RabbitMQ and VerneMQ reject newer ones.
 * facts_to_send() first selects the facts that are allowed and fit, so the writer always has room.
 * Source: the PROXY protocol, sections 2.2 and 2.2.1 to 2.2.6.
 */
#include <assert.h>
#include <string.h>

#include "base/utf8.h"
#include "format.h"

#define VERSION_2_PROXY (PROXY_VERSION_2 << 4 | PROXY_COMMAND_PROXY)
#define TCP_OVER_IPV4   (PROXY_FAMILY_INET << 4 | PROXY_TRANSPORT_TCP)
#define TCP_OVER_IPV6   (PROXY_FAMILY_INET6 << 4 | PROXY_TRANSPORT_TCP)

#define VERIFY_GOOD     0u
#define VERIFY_NOT_GOOD 1u /* any nonzero value; see protocol.h */

#define LENGTH_AT 14u

/* Output buffer, and the number of bytes written. facts_to_send() ensures that there is room. */
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

/* Write a TLV, unless its value is absent. */
static void put_tlv(struct writer *w, unsigned type, struct span value)
{
    if (!value.p)
        return;
    put_u8(w, type);
    put_be(w, (uint32_t)value.n, 2);
    put(w, value.p, value.n);
}

/* Reserve room for a TLV with a value of n bytes. False if it does not fit. */
static bool take(size_t *room, size_t n)
{
    if (*room < PROXY_TLV_HEAD_SIZE || n > *room - PROXY_TLV_HEAD_SIZE)
        return false;
    *room -= PROXY_TLV_HEAD_SIZE + n;
    return true;
}

/* Reserve room for a value. Returns the value, or an absent span if absent or too large. */
static struct span taken(size_t *room, struct span value)
{
    return value.p && take(room, value.n) ? value : span_of(NULL, 0);
}

/* A broker may use the name as a user name, so control characters are not allowed. */
static bool name_is_valid(struct span name)
{
    for (size_t at = 0; at < name.n;) {
        const uint8_t *c = name.p + at;
        int n = utf8_char(c, name.n - at, name.n - at);
        bool c1 = n == 2 && c[0] == 0xc2 && c[1] < 0xa0; /* U+0080 to U+009F */
        if (n == UTF8_BAD || c[0] < 0x20 || c[0] == 0x7f || c1)
            return false;
        at += (size_t)n;
    }
    return name.n > 0;
}

/* Select the facts that are allowed and fit into the room, the client's identity first. */
static struct proxy_facts facts_to_send(const struct proxy_facts *facts, size_t room)
{
    struct proxy_facts out = {.has_tls = facts->has_tls && take(&room, PROXY_SSL_HEAD_SIZE)};
    if (out.has_tls) {
        out.client_cert_conn = facts->client_cert_conn;
        out.client_cert_sess = facts->client_cert_sess;
        out.verified = facts->verified && (out.client_cert_conn || out.client_cert_sess);
        if (out.verified && name_is_valid(facts->tls_cn))
            out.tls_cn = taken(&room, facts->tls_cn);
        out.tls_version = taken(&room, facts->tls_version);
        out.tls_cipher = taken(&room, facts->tls_cipher);
    }
    out.crc32c = facts->crc32c && take(&room, CRC32C_SIZE);
    if (facts->unique_id.n <= PROXY_UNIQUE_ID_MAX)
        out.unique_id = taken(&room, facts->unique_id);
    out.alpn = taken(&room, facts->alpn);
    out.authority = taken(&room, facts->authority);
    if (out.has_tls) {
        out.tls_sig_alg = taken(&room, facts->tls_sig_alg);
        out.tls_key_alg = taken(&room, facts->tls_key_alg);
    }
    return out;
}

static void put_addresses(struct writer *w, const struct proxy_pair *pair)
{
    size_t ip_size = pair->is_ipv6 ? 16 : 4;
    put(w, pair->source.ip, ip_size);
    put(w, pair->destination.ip, ip_size);
    put(w, &pair->source.port_be, 2);
    put(w, &pair->destination.port_be, 2);
}

/* Write a value of n bytes at offset `at`. */
static void fill_in(uint8_t *out, size_t at, uint32_t value, unsigned n)
{
    struct writer w = {.p = out, .n = at};
    put_be(&w, value, n);
}

static void put_ssl(struct writer *w, const struct proxy_facts *facts)
{
    const size_t start = w->n;
    put_u8(w, PP2_TYPE_SSL);
    put_be(w, 0, 2); /* length, set later */
    put_u8(w, PP2_CLIENT_SSL | (facts->client_cert_conn ? PP2_CLIENT_CERT_CONN : 0u) |
                  (facts->client_cert_sess ? PP2_CLIENT_CERT_SESS : 0u));
    put_be(w, facts->verified ? VERIFY_GOOD : VERIFY_NOT_GOOD, 4);
    put_tlv(w, PP2_SUBTYPE_SSL_VERSION, facts->tls_version);
    put_tlv(w, PP2_SUBTYPE_SSL_CN, facts->tls_cn);
    put_tlv(w, PP2_SUBTYPE_SSL_CIPHER, facts->tls_cipher);
    put_tlv(w, PP2_SUBTYPE_SSL_SIG_ALG, facts->tls_sig_alg);
    put_tlv(w, PP2_SUBTYPE_SSL_KEY_ALG, facts->tls_key_alg);
    fill_in(w->p, start + 1, (uint32_t)(w->n - start - PROXY_TLV_HEAD_SIZE), 2);
}

static void put_tlvs(struct writer *w, const struct proxy_facts *facts)
{
    static const uint8_t zeros[CRC32C_SIZE];
    put_tlv(w, PP2_TYPE_ALPN, facts->alpn);
    put_tlv(w, PP2_TYPE_AUTHORITY, facts->authority);
    put_tlv(w, PP2_TYPE_UNIQUE_ID, facts->unique_id);
    if (facts->has_tls)
        put_ssl(w, facts);
    if (facts->crc32c)
        put_tlv(w, PP2_TYPE_CRC32C, span_of(zeros, sizeof(zeros)));
}

size_t proxy_v2_write(const struct proxy_endpoint *source, const struct proxy_endpoint *destination,
                      const struct proxy_facts *facts, uint8_t out[PROXY_V2_MAX])
{
    struct proxy_pair pair = proxy_pair_of(source, destination);
    struct writer w = {.p = out};
    put(&w, PROXY_SIGNATURE, PROXY_SIGNATURE_SIZE);
    put_u8(&w, VERSION_2_PROXY);
    put_u8(&w, pair.is_ipv6 ? TCP_OVER_IPV6 : TCP_OVER_IPV4);
    put_be(&w, 0, 2); /* length, set later */
    put_addresses(&w, &pair);
    struct proxy_facts sent = facts_to_send(facts, PROXY_V2_MAX - w.n);
    put_tlvs(&w, &sent);

    fill_in(out, LENGTH_AT, (uint32_t)(w.n - PROXY_FIXED_SIZE), 2);
    /* The checksum is the last TLV. It covers the header, with its own bytes set to zero. */
    if (sent.crc32c)
        fill_in(out, w.n - CRC32C_SIZE, crc32c(0, span_of(out, w.n)), CRC32C_SIZE);
    return w.n;
}
