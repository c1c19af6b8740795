/*
 * fuzz_proxy_write.c - check invariants of both PROXY header writers.
 *
 * The input is a list of facts, padded with zeros:
 *
 *   flags 2 | source 1 + 16 + 2 | destination 1 + 16 + 2 | eight times: length 2, value
 *
 * The flags select the facts. If a value is longer than the rest of the input, it consists of
 * zeros.
 *
 *   - a header has at most 107 bytes (v1) or 516 bytes (v2), and nothing is written after it
 *   - our parser accepts it, with the same addresses and facts
 *   - it contains only TLV types that receivers know, and each of the sub-TLVs 0x21 to 0x25 at most
 *     once; without a verified certificate, it contains no common name and no verify = 0
 *   - a fact is omitted only if it does not fit; the common name also without a verified
 *     certificate, or if it contains invalid bytes
 *   - a header with a checksum is rejected after one address bit is flipped
 */
#include "law.h"
#include "wire/proxy/read.h"

#define VALUE_MAX    1024u
#define ADDRESSES_AT 16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t zeros[VALUE_MAX];

/* The rest of the input. */
struct input {
    const uint8_t *p;
    size_t n;
};

static void take(struct input *in, void *out, size_t n)
{
    size_t got = size_min(n, in->n);

    memset(out, 0, n);
    if (got > 0)
        memcpy(out, in->p, got);
    in->p += got;
    in->n -= got;
}

static struct proxy_endpoint take_endpoint(struct input *in)
{
    uint8_t kind = 0;
    struct proxy_endpoint end = {0};

    take(in, &kind, 1);
    take(in, end.ip, 16);
    take(in, &end.port_be, 2);
    end.is_ipv6 = kind & 1;
    if (kind & 2)
        memcpy(end.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
    return end;
}

static struct span take_value(struct input *in, bool is_there)
{
    uint8_t length[2];

    if (!is_there)
        return span_of(NULL, 0);
    take(in, length, 2);
    size_t n = (size_t)(length[0] << 8 | length[1]) % VALUE_MAX;
    if (in->n < n)
        return span_of(zeros, n);
    struct span value = span_of(in->p, n);
    in->p += n;
    in->n -= n;
    return value;
}

static struct proxy_facts take_facts(struct input *in, unsigned flags)
{
    struct proxy_facts facts = {.crc32c = flags & 0x100,
                                .has_tls = flags & 0x200,
                                .client_cert_conn = flags & 0x400,
                                .client_cert_sess = flags & 0x800,
                                .verified = flags & 0x1000};
    struct span *values[] = {&facts.tls_cn,      &facts.alpn,        &facts.authority,
                             &facts.unique_id,   &facts.tls_version, &facts.tls_cipher,
                             &facts.tls_sig_alg, &facts.tls_key_alg};

    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        *values[i] = take_value(in, flags & 1u << i);
    return facts;
}

/* Return the four bytes of an IPv4 or IPv4-mapped address, otherwise null. */
static const uint8_t *ipv4_of(const struct proxy_endpoint *end)
{
    if (!end->is_ipv6)
        return end->ip;
    return memcmp(end->ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0 ? end->ip + 12 : NULL;
}

/* `got` must be the same end, in the address family of the header. */
static void same_end(const struct proxy_endpoint *got, const struct proxy_endpoint *given,
                     bool is_ipv6)
{
    uint8_t expected[16] = "\0\0\0\0\0\0\0\0\0\0\xff\xff";
    const uint8_t *ipv4 = ipv4_of(given);

    LAW(got->is_ipv6 == is_ipv6 && got->port_be == given->port_be);
    if (!is_ipv6) {
        LAW(memcmp(got->ip, ipv4, 4) == 0);
        return;
    }
    if (ipv4)
        memcpy(expected + 12, ipv4, 4);
    else
        memcpy(expected, given->ip, 16);
    LAW(memcmp(got->ip, expected, 16) == 0);
}

static void same_ends(const struct proxy_header *header, const struct proxy_endpoint ends[2])
{
    bool is_ipv6 = !ipv4_of(&ends[0]) || !ipv4_of(&ends[1]);

    LAW(header->has_address);
    same_end(&header->source, &ends[0], is_ipv6);
    same_end(&header->destination, &ends[1], is_ipv6);
}

/* Decode the code point at p. Return its length, or 0 if it is invalid. */
static uint32_t character(const uint8_t *p, size_t n, size_t *length)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = p[0] < 0x80       ? 1
                  : p[0] >> 5 == 6  ? 2
                  : p[0] >> 4 == 14 ? 3
                  : p[0] >> 3 == 30 ? 4
                                    : 0;

    *length = 0;
    if (size == 0 || size > n)
        return 0;
    uint32_t c = size == 1 ? p[0] : p[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c >= least[size] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff))
        *length = size;
    return c;
}

static bool is_name(struct span text)
{
    for (size_t at = 0, n = 0; at < text.n; at += n) {
        uint32_t c = character(text.p + at, text.n - at, &n);
        if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0))
            return false;
    }
    return text.n > 0;
}

/* A fact must be in the header, unless it did not fit after the others. */
static void came_through(struct span got, struct span given, bool allowed, size_t n)
{
    if (got.p)
        LAW(given.p && allowed && span_equal(got, given));
    else
        LAW(!given.p || !allowed || n + 3 + given.n > PROXY_V2_MAX);
}

static void same_facts(const struct proxy_header *header, const struct proxy_facts *given, size_t n)
{
    const struct proxy_facts *got = &header->facts;
    bool tls = given->has_tls;
    bool verified = tls && given->verified && (given->client_cert_conn || given->client_cert_sess);
    bool named = verified && given->tls_cn.p && is_name(given->tls_cn);
    size_t room = 500 - (header->source.is_ipv6 ? 36 : 12) - 3 - 5;

    LAW(got->has_tls == tls && got->verified == verified);
    LAW(got->client_cert_conn == (tls && given->client_cert_conn));
    LAW(got->client_cert_sess == (tls && given->client_cert_sess));
    LAW((got->tls_cn.p != NULL) == (named && given->tls_cn.n + 3 <= room));
    came_through(got->tls_cn, given->tls_cn, named, n);
    came_through(got->tls_version, given->tls_version, tls, n);
    came_through(got->tls_cipher, given->tls_cipher, tls, n);
    came_through(got->tls_sig_alg, given->tls_sig_alg, tls, n);
    came_through(got->tls_key_alg, given->tls_key_alg, tls, n);
    came_through(got->alpn, given->alpn, true, n);
    came_through(got->authority, given->authority, true, n);
    came_through(got->unique_id, given->unique_id, given->unique_id.n <= 128, n);
    LAW(got->crc32c == given->crc32c || (given->crc32c && n + 3 + 4 > PROXY_V2_MAX));
}

/*
 * Check that the TLVs have one of `types` each, and that none is repeated. Return the value of
 * `wanted`.
 */
static struct span only_known_types(struct span in, const char *types, uint8_t wanted)
{
    bool met[256] = {false};
    struct span found = {0};

    while (in.n > 0) {
        LAW(in.n >= 3 && in.p[0] != 0 && strchr(types, in.p[0]) && !met[in.p[0]]);
        size_t size = (size_t)in.p[1] << 8 | in.p[2];
        LAW(size <= in.n - 3);
        met[in.p[0]] = true;
        if (in.p[0] == wanted)
            found = span_of(in.p + 3, size);
        in = span_of(in.p + 3 + size, in.n - 3 - size);
    }
    return found;
}

/*
 * Check the bytes of the header: it must not contain a type that a receiver may reject, or a common
 * name or "verified" that our parser would ignore.
 */
static void only_what_receivers_know(struct span out, const struct proxy_header *header)
{
    const size_t at = ADDRESSES_AT + (header->source.is_ipv6 ? 36 : 12);
    struct span tlvs = span_of(out.p + at, out.n - at);
    struct span ssl = only_known_types(tlvs, "\x01\x02\x03\x05\x20", 0x20);

    LAW((ssl.p != NULL) == header->facts.has_tls);
    if (!ssl.p)
        return;
    LAW(ssl.n >= 5 && ssl.p[0] & 1 && (ssl.p[0] & ~7) == 0);
    LAW((memcmp(ssl.p + 1, "\0\0\0\0", 4) == 0) == header->facts.verified);
    struct span subs = span_of(ssl.p + 5, ssl.n - 5);
    struct span name = only_known_types(subs, "\x21\x22\x23\x24\x25", 0x22);
    LAW(name.p == header->facts.tls_cn.p);
}

/* Parse a copy of exactly the header. */
static struct proxy_header read_back(const uint8_t *out, size_t n, unsigned version)
{
    struct proxy_header header = {0};
    size_t next = 0;

    LAW(proxy_read(span_of(out, n), &header, &next) == PARSE_DONE);
    LAW(next == n && header.version == version);
    return header;
}

static void v1_keeps_its_laws(const struct proxy_endpoint ends[2])
{
    uint8_t *room = exact_new(PROXY_V1_MAX);
    size_t n = proxy_v1_write(&ends[0], &ends[1], room);

    LAW(n <= PROXY_V1_MAX);
    uint8_t *out = exact_copy(room, n);
    struct proxy_header header = read_back(out, n, 1);
    same_ends(&header, ends);
    free(out);
    free(room);
}

static void a_turned_bit_is_seen(uint8_t *out, size_t n, size_t addresses, struct dice *dice)
{
    struct proxy_header header = {0};
    size_t next = 0, bit = dice_roll(dice, 8 * addresses);

    out[ADDRESSES_AT + bit / 8] ^= (uint8_t)(1u << bit % 8);
    LAW(proxy_read(span_of(out, n), &header, &next) == PARSE_BAD);
    LAW(strcmp(header.fault, "crc32c") == 0);
}

static void v2_keeps_its_laws(const struct proxy_endpoint ends[2], const struct proxy_facts *facts,
                              struct dice *dice)
{
    uint8_t *room = exact_new(PROXY_V2_MAX);
    size_t n = proxy_v2_write(&ends[0], &ends[1], facts, room);

    LAW(n <= PROXY_V2_MAX);
    uint8_t *out = exact_copy(room, n);
    struct proxy_header header = read_back(out, n, 2);
    same_ends(&header, ends);
    same_facts(&header, facts, n);
    only_what_receivers_know(span_of(out, n), &header);
    if (header.facts.crc32c)
        a_turned_bit_is_seen(out, n, header.source.is_ipv6 ? 36 : 12, dice);
    free(out);
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dice dice = dice_from(data, size);
    struct input in = {.p = data, .n = size};
    uint8_t flags[2];

    take(&in, flags, 2);
    struct proxy_endpoint ends[2];
    ends[0] = take_endpoint(&in);
    ends[1] = take_endpoint(&in);
    struct proxy_facts facts = take_facts(&in, (unsigned)flags[0] | (unsigned)flags[1] << 8);
    v1_keeps_its_laws(ends);
    v2_keeps_its_laws(ends, &facts, &dice);
    return 0;
}
