/*
 * read_v2.c - parse a PROXY header of version 2 (binary) and its TLVs.
 *
 *   signature 12 | version and command | family and transport | length 2 | addresses | TLVs
 *   an SSL TLV's value: client 1 | verify 4 | sub-TLVs
 *
 * TLVs are checked as they arrive, so that a TLV that cannot fit is rejected early. Their values
 * are used only when the header is complete. Until then, every call parses it from the beginning; a
 * caller that reads exactly the requested bytes needs three reads.
 * Source: the PROXY protocol, sections 2.2 and 2.2.1 to 2.2.6.
 */
#include <string.h>

#include "base/reader.h"
#include "format.h"
#include "read_versions.h"

#define LENGTH_MAX (PROXY_READ_MAX - PROXY_FIXED_SIZE)

/* Values that a length can have; min == max once both of its bytes are known. */
struct range {
    size_t min, max;
};

/* The relevant values of the 16 fixed bytes. */
struct fixed {
    unsigned family;    /* UNSPEC for LOCAL */
    unsigned transport; /* UNSPEC for LOCAL */
    size_t end;         /* end of the header */
};

/*
 * Values of the TLVs and of the SSL sub-TLVs, by type; the numbers do not overlap. If a type is
 * repeated, the last one counts.
 */
struct found {
    struct span value[PP2_SUBTYPE_SSL_KEY_ALG + 1]; /* absent if not found; may extend past `in` */
};

/* A sequence of TLVs. */
struct walk {
    struct span in;
    size_t at, end;
    bool in_ssl;
    struct found *found;
};

static enum parse_result refuse(struct proxy_header *out, const char *fault)
{
    out->fault = fault;
    return PARSE_BAD;
}

/* Read a two-byte length, of which 0 to 2 bytes have arrived. */
static struct range read_length(struct reader *rd)
{
    size_t left = reader_left(rd);

    if (left == 0)
        return (struct range){0, UINT16_MAX};
    if (left == 1) {
        size_t high = (size_t)reader_u8(rd) << 8;
        return (struct range){high, high | 0xff};
    }
    size_t n = reader_u16_be(rd);
    return (struct range){n, n};
}

/* True if TLVs can fill exactly n bytes: one or two bytes are too few for a TLV's head. */
static bool can_be_filled(size_t n)
{
    return n == 0 || n >= PROXY_TLV_HEAD_SIZE;
}

/* True if a possible length is allowed and leaves room that TLVs can fill exactly. */
static bool can_fit(struct range possible, struct range wanted, size_t room)
{
    const size_t min = size_max(possible.min, wanted.min);
    const size_t max = size_min(size_min(possible.max, wanted.max), room);

    /*
     * The room that is left is between room - max and room - min. If both are 1 or 2, so is every
     * value in between, and TLVs cannot fill it.
     */
    return min <= max && (can_be_filled(room - max) || can_be_filled(room - min));
}

/* Return the allowed lengths for a value of this type. */
static struct range wanted_length(const struct walk *walk, unsigned type)
{
    struct range any = {0, UINT16_MAX};

    if (walk->in_ssl)
        return any;
    switch (type) {
    case PP2_TYPE_CRC32C:
        return (struct range){CRC32C_SIZE, CRC32C_SIZE};
    case PP2_TYPE_UNIQUE_ID:
        return (struct range){0, PROXY_UNIQUE_ID_MAX};
    case PP2_TYPE_SSL:
        return (struct range){PROXY_SSL_HEAD_SIZE, UINT16_MAX};
    default:
        return any;
    }
}

/* Return the slot for a value of this type; null = skip the value. */
static struct span *slot_of(const struct walk *walk, unsigned type)
{
    bool known = false;

    if (walk->in_ssl)
        known = type >= PP2_SUBTYPE_SSL_VERSION && type <= PP2_SUBTYPE_SSL_KEY_ALG;
    else
        known = type == PP2_TYPE_ALPN || type == PP2_TYPE_AUTHORITY || type == PP2_TYPE_CRC32C ||
                type == PP2_TYPE_UNIQUE_ID || type == PP2_TYPE_SSL;
    return known ? &walk->found->value[type] : NULL;
}

/* Parse the head of the next TLV; its value may be incomplete. */
static enum parse_result next_tlv(struct walk *walk, unsigned *type, struct proxy_header *out)
{
    struct reader rd = reader_from(walk->in, walk->at);

    *type = reader_u8(&rd);
    if (rd.cut)
        return PARSE_MORE;
    struct span *slot = slot_of(walk, *type);
    /* Each of two checksums would have to cover the other. */
    if (slot && slot->p && *type == PP2_TYPE_CRC32C)
        return refuse(out, "crc32c_twice");
    const size_t room = walk->end - walk->at - PROXY_TLV_HEAD_SIZE;
    const struct range n = read_length(&rd);
    if (!can_fit(n, wanted_length(walk, *type), room))
        return refuse(out, walk->in_ssl ? "ssl_tlv_length" : "tlv_length");
    if (n.min != n.max)
        return PARSE_MORE;
    if (slot)
        *slot = span_of(walk->in.p + rd.at, n.min);
    walk->at = rd.at + n.min;
    return PARSE_DONE;
}

/* A second SSL TLV replaces the first, including its sub-TLVs. */
static void forget_sub_tlvs(struct found *found)
{
    for (unsigned type = PP2_SUBTYPE_SSL_VERSION; type <= PP2_SUBTYPE_SSL_KEY_ALG; type++)
        found->value[type] = (struct span){0};
}

/* Parse TLVs up to the end, or as far as bytes are available. */
static enum parse_result walk_tlvs(struct walk *walk, struct proxy_header *out)
{
    if (!can_be_filled(walk->end - walk->at))
        return refuse(out, walk->in_ssl ? "ssl_tlv_length" : "tlv_length");
    while (walk->at < walk->end) {
        unsigned type = 0;
        const size_t value_at = walk->at + PROXY_TLV_HEAD_SIZE;
        enum parse_result result = next_tlv(walk, &type, out);
        if (result == PARSE_DONE && type == PP2_TYPE_SSL && !walk->in_ssl) {
            struct walk inner = {.in = walk->in,
                                 .at = value_at + PROXY_SSL_HEAD_SIZE,
                                 .end = walk->at,
                                 .in_ssl = true,
                                 .found = walk->found};
            forget_sub_tlvs(walk->found);
            /* Recurses only once: inside SSL, the SSL type is not special. */
            result = walk_tlvs(&inner, out);
        }
        if (result != PARSE_DONE)
            return result;
    }
    return walk->end <= walk->in.n ? PARSE_DONE : PARSE_MORE;
}

static size_t addresses_size(unsigned family)
{
    switch (family) {
    case PROXY_FAMILY_INET:
        return PROXY_ADDRESSES_INET;
    case PROXY_FAMILY_INET6:
        return PROXY_ADDRESSES_INET6;
    case PROXY_FAMILY_UNIX:
        return PROXY_ADDRESSES_UNIX;
    default:
        return 0;
    }
}

static enum parse_result read_fixed(struct span in, struct fixed *fixed, struct proxy_header *out)
{
    if (memcmp(in.p, PROXY_SIGNATURE, size_min(in.n, PROXY_SIGNATURE_SIZE)) != 0)
        return refuse(out, "signature");
    struct reader rd = reader_from(in, PROXY_SIGNATURE_SIZE);
    const unsigned version = reader_u8(&rd);
    if (rd.cut)
        return PARSE_MORE;
    const unsigned command = version & 0x0f;
    if (version >> 4 != PROXY_VERSION_2)
        return refuse(out, "v2_version");
    if (command != PROXY_COMMAND_LOCAL && command != PROXY_COMMAND_PROXY)
        return refuse(out, "v2_command");
    const unsigned family = reader_u8(&rd);
    if (rd.cut)
        return PARSE_MORE;
    if (command == PROXY_COMMAND_PROXY) /* for LOCAL, the family byte is ignored */
        *fixed = (struct fixed){.family = family >> 4, .transport = family & 0x0f};
    if (fixed->family > PROXY_FAMILY_UNIX || fixed->transport > PROXY_TRANSPORT_LAST)
        return refuse(out, "v2_family");
    const struct range n = read_length(&rd);
    if (n.min > LENGTH_MAX || n.max < addresses_size(fixed->family))
        return refuse(out, "v2_length");
    fixed->end = PROXY_FIXED_SIZE + n.min;
    return n.min == n.max ? PARSE_DONE : PARSE_MORE;
}

static void take_addresses(const uint8_t *p, bool is_ipv6, struct proxy_header *out)
{
    const size_t ip_size = is_ipv6 ? 16 : 4;

    out->has_address = true;
    out->source.is_ipv6 = out->destination.is_ipv6 = is_ipv6;
    memcpy(out->source.ip, p, ip_size);
    memcpy(out->destination.ip, p + ip_size, ip_size);
    memcpy(&out->source.port_be, p + 2 * ip_size, 2);
    memcpy(&out->destination.port_be, p + 2 * ip_size + 2, 2);
}

static void take_ssl_facts(const struct found *found, struct proxy_facts *facts)
{
    struct reader rd = reader_from(found->value[PP2_TYPE_SSL], 0);
    const unsigned client = reader_u8(&rd);
    const uint32_t verify = reader_u32_be(&rd);

    if (!(client & PP2_CLIENT_SSL))
        return;
    facts->has_tls = true;
    facts->client_cert_conn = client & PP2_CLIENT_CERT_CONN;
    facts->client_cert_sess = client & PP2_CLIENT_CERT_SESS;
    /* HAProxy also sends verify 0 if there is no client certificate. */
    facts->verified = verify == 0 && (facts->client_cert_conn || facts->client_cert_sess);
    facts->tls_version = found->value[PP2_SUBTYPE_SSL_VERSION];
    if (facts->verified)
        facts->tls_cn = found->value[PP2_SUBTYPE_SSL_CN];
    facts->tls_cipher = found->value[PP2_SUBTYPE_SSL_CIPHER];
    facts->tls_sig_alg = found->value[PP2_SUBTYPE_SSL_SIG_ALG];
    facts->tls_key_alg = found->value[PP2_SUBTYPE_SSL_KEY_ALG];
}

static void take_facts(const struct found *found, struct proxy_facts *facts)
{
    facts->alpn = found->value[PP2_TYPE_ALPN];
    facts->authority = found->value[PP2_TYPE_AUTHORITY];
    facts->unique_id = found->value[PP2_TYPE_UNIQUE_ID];
    facts->crc32c = found->value[PP2_TYPE_CRC32C].p;
    if (found->value[PP2_TYPE_SSL].p)
        take_ssl_facts(found, facts);
}

/* The checksum covers the header, with the checksum's own bytes set to zero. */
static bool checksum_matches(struct span header, struct span checksum)
{
    static const uint8_t zeros[CRC32C_SIZE];
    const size_t at = (size_t)(checksum.p - header.p), behind = at + CRC32C_SIZE;
    struct reader rd = reader_from(checksum, 0);

    uint32_t crc = crc32c(0, span_of(header.p, at));
    crc = crc32c(crc, span_of(zeros, sizeof(zeros)));
    crc = crc32c(crc, span_of(header.p + behind, header.n - behind));
    return crc == reader_u32_be(&rd);
}

/* Parse the addresses and TLVs of a header whose family is not UNSPEC. */
static enum parse_result read_rest(struct span in, const struct fixed *fixed,
                                   struct proxy_header *out)
{
    struct found found = {0};
    struct walk walk = {.in = span_of(in.p, size_min(in.n, fixed->end)),
                        .at = PROXY_FIXED_SIZE + addresses_size(fixed->family),
                        .end = fixed->end,
                        .found = &found};
    enum parse_result result = walk_tlvs(&walk, out);

    if (result != PARSE_DONE)
        return result;
    struct span checksum = found.value[PP2_TYPE_CRC32C];
    if (checksum.p && !checksum_matches(walk.in, checksum))
        return refuse(out, "crc32c");
    if (fixed->transport == PROXY_TRANSPORT_TCP && fixed->family != PROXY_FAMILY_UNIX)
        take_addresses(in.p + PROXY_FIXED_SIZE, fixed->family == PROXY_FAMILY_INET6, out);
    take_facts(&found, &out->facts);
    return PARSE_DONE;
}

enum parse_result proxy_read_v2(struct span in, struct proxy_header *out, size_t *next)
{
    struct fixed fixed = {0};
    enum parse_result result = read_fixed(in, &fixed, out);

    out->version = 2;
    if (result == PARSE_MORE)
        *next = PROXY_FIXED_SIZE - in.n;
    if (result != PARSE_DONE)
        return result;
    if (fixed.family != PROXY_FAMILY_UNSPEC)
        result = read_rest(in, &fixed, out);
    else if (in.n < fixed.end)
        result = PARSE_MORE;
    *next = result == PARSE_MORE ? fixed.end - in.n : fixed.end;
    return result;
}
