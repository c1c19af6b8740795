/*
 * test_write_v2.c - the binary PROXY header: byte for byte against the vectors, and read back by a
 * separate decoder, written from section 2.2, for all sizes of TLVs.
 */
#include "write_testing.h"

#define LENGTH_MAX 500u

static uint8_t filler[70000]; /* 'a' throughout, set once by main() */

/* The result of the decoder below. */
struct decoded {
    struct span source_ip, destination_ip;
    unsigned source_port, destination_port;
    struct span tlv[256]; /* by type; null if absent */
    uint8_t types[8];     /* in order */
    size_t n_types;
    uint32_t verify;
    uint8_t client;
    struct span ssl[256]; /* sub-TLVs by type */
};

static unsigned be16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static size_t walk_tlvs(const uint8_t *p, size_t n, struct span *out, uint8_t *types)
{
    size_t count = 0;
    for (size_t at = 0; at < n;) {
        assert_true(n - at >= 3);
        size_t size = be16(p + at + 1);
        assert_true(size <= n - at - 3);
        assert_null(out[p[at]].p); /* no type is repeated */
        out[p[at]] = span_of(p + at + 3, size);
        assert_true(count < 8);
        types[count++] = p[at];
        at += 3 + size;
    }
    return count;
}

static void decode(const uint8_t *p, size_t n, struct decoded *out)
{
    memset(out, 0, sizeof(*out));
    assert_true(n >= 16);
    assert_memory_equal(p, "\r\n\r\n\0\r\nQUIT\n", 12);
    assert_int_equal(p[12], 0x21); /* version 2, PROXY */
    assert_int_equal(be16(p + 14), n - 16);
    size_t ip = p[13] == 0x21 ? 16 : 4;
    assert_true(p[13] == 0x11 || p[13] == 0x21);
    size_t addresses = 2 * ip + 4;
    assert_true(n >= 16 + addresses);
    out->source_ip = span_of(p + 16, ip);
    out->destination_ip = span_of(p + 16 + ip, ip);
    out->source_port = be16(p + 16 + 2 * ip);
    out->destination_port = be16(p + 18 + 2 * ip);
    out->n_types = walk_tlvs(p + 16 + addresses, n - 16 - addresses, out->tlv, out->types);
    struct span ssl = out->tlv[0x20];
    if (ssl.p) {
        uint8_t order[8];
        assert_true(ssl.n >= 5);
        out->client = ssl.p[0];
        out->verify = be32(ssl.p + 1);
        walk_tlvs(ssl.p + 5, ssl.n - 5, out->ssl, order);
    }
}

/* CRC-32C as in textbooks, highest power first, with input and output bits reversed. */
static uint32_t textbook_crc32c(const uint8_t *p, size_t n, size_t zero_at)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        unsigned byte = i >= zero_at && i < zero_at + 4 ? 0 : p[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            uint32_t in = byte >> bit & 1;
            uint32_t top = crc >> 31;
            crc = crc << 1 ^ (top ^ in ? 0x1edc6f41u : 0);
        }
    }
    uint32_t turned = 0;
    for (unsigned bit = 0; bit < 32; bit++)
        turned |= (crc >> bit & 1) << (31 - bit);
    return ~turned;
}

static struct span text(const char *s)
{
    return span_of_str(s);
}

/* The facts for a vector's TLV list. Their values are stored in `room`. */
static struct proxy_facts vector_facts(const json_t *vector, uint8_t room[600])
{
    struct proxy_facts facts = {0};
    size_t used = 0;
    size_t i;
    const json_t *tlv;
    json_array_foreach(json_object_get(vector, "tlvs"), i, tlv)
    {
        json_int_t type = json_integer_value(json_array_get(tlv, 0));
        const char *hex = json_string_value(json_array_get(tlv, 1));
        if (type == 3) {
            facts.crc32c = true;
            continue;
        }
        struct span value = span_of(room + used, hex_decode(hex, room + used, 600 - used));
        used += value.n;
        assert_true(type == 1 || type == 2 || type == 5); /* the types used in vectors */
        *(type == 1 ? &facts.alpn : type == 2 ? &facts.authority : &facts.unique_id) = value;
    }
    return facts;
}

static void check_vector(const json_t *vector)
{
    uint8_t room[600];
    struct proxy_facts facts = vector_facts(vector, room);
    struct proxy_endpoint source = vector_endpoint(vector, "src", "src_port");
    struct proxy_endpoint destination = vector_endpoint(vector, "dst", "dst_port");
    uint8_t out[PROXY_V2_MAX];
    size_t n = proxy_v2_write(&source, &destination, &facts, out);
    assert_hex(out, n, json_string_value(json_object_get(vector, "hex")));
}

static void v2_writes_the_vectors_byte_for_byte(void **state)
{
    (void)state;
    for_each_send_vector(2, check_vector);
}

static void v2_writes_the_ssl_tlv_as_laid_out_in_section_2_2_6(void **state)
{
    (void)state;
    struct proxy_endpoint source = endpoint_of("198.51.100.7", 40000);
    struct proxy_endpoint destination = endpoint_of("203.0.113.9", 8883);
    struct proxy_facts facts = {
        .has_tls = true, .tls_version = text("TLSv1.3"), .tls_cipher = text("X")};
    uint8_t out[PROXY_V2_MAX];
    size_t n = proxy_v2_write(&source, &destination, &facts, out);
    assert_hex(out, n,
               "0d0a0d0a000d0a515549540a" /* signature */
               "21110022c6336407cb0071099c4022b3"
               "20001301"             /* SSL, 19 bytes, PP2_CLIENT_SSL */
               "00000001"             /* verify: no certificate was verified */
               "210007544c5376312e33" /* version */
               "23000158");           /* cipher */
}

static void v2_writes_the_identity_as_laid_out_in_section_2_2_6(void **state)
{
    (void)state;
    struct proxy_endpoint source = endpoint_of("198.51.100.7", 40000);
    struct proxy_endpoint destination = endpoint_of("203.0.113.9", 8883);
    struct proxy_facts facts = {.unique_id = span_of("\0\xff", 2),
                                .has_tls = true,
                                .client_cert_conn = true,
                                .client_cert_sess = true,
                                .verified = true,
                                .tls_version = text("TLSv1.3"),
                                .tls_cn = text("dev-01"),
                                .tls_cipher = text("X"),
                                .tls_sig_alg = text("RSA-SHA256"),
                                .tls_key_alg = text("RSA2048")};
    uint8_t out[PROXY_V2_MAX];
    size_t n = proxy_v2_write(&source, &destination, &facts, out);
    assert_hex(out, n,
               "0d0a0d0a000d0a515549540a" /* signature */
               "21110047c6336407cb0071099c4022b3"
               "05000200ff"                 /* UNIQUE_ID */
               "20003307"                   /* SSL, CERT_CONN, CERT_SESS */
               "00000000"                   /* verify: presented and valid */
               "210007544c5376312e33"       /* version */
               "2200066465762d3031"         /* CN */
               "23000158"                   /* cipher */
               "24000a5253412d534841323536" /* signature algorithm */
               "25000752534132303438");     /* key algorithm */
}

static void v2_writes_verified_only_if_a_certificate_was_presented(void **state)
{
    (void)state;
    struct proxy_endpoint end = endpoint_of("1.2.3.4", 1);
    for (unsigned bits = 0; bits < 8; bits++) {
        struct proxy_facts facts = {.has_tls = true,
                                    .client_cert_conn = bits & 1,
                                    .client_cert_sess = bits & 2,
                                    .verified = bits & 4,
                                    .tls_cn = text("dev-01")};
        bool good = (bits & 4) && (bits & 3);
        uint8_t out[PROXY_V2_MAX];
        struct decoded d;
        decode(out, proxy_v2_write(&end, &end, &facts, out), &d);
        assert_int_equal(d.client, 1 | (bits & 1 ? 2 : 0) | (bits & 2 ? 4 : 0));
        assert_int_equal(d.verify, good ? 0 : 1);
        assert_int_equal(d.ssl[0x22].p != NULL, good);
    }
}

static void v2_omits_a_name_that_a_broker_could_misread(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n;
        bool written;
    } rows[] = {
        {"dev-01", 6, true},
        {" ", 1, true},
        {"ger\xc3\xa4t-\xc3\xbc", 9, true},
        {"\xc2\xa0", 2, true}, /* U+00A0, the first after C1 */
        {"\xf0\x9f\x94\x8c", 4, true},
        {"\xdf\x80", 2, true}, /* its second byte is in the range of C1 */
        {"~", 1, true},
        {"", 0, false},
        {"a\0b", 3, false},
        {"a\nb", 3, false},
        {"\x1f", 1, false},
        {"a\x7f", 2, false},
        {"a\xc2\x80", 3, false}, /* C1 */
        {"\xc2\x9f z", 4, false},
        {"\x85", 1, false}, /* not UTF-8 */
        {"ger\xe4t", 5, false},
        {"cut\xc3", 4, false},
        {"cut\xc2", 4, false},
        {"\xed\xa0\x80", 3, false}, /* a surrogate */
        {"\xc1\x81", 2, false},     /* overlong */
    };
    struct proxy_endpoint end = endpoint_of("1.2.3.4", 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct proxy_facts facts = {.has_tls = true,
                                    .client_cert_conn = true,
                                    .verified = true,
                                    .tls_cn = span_of(rows[i].name, rows[i].n)};
        uint8_t out[PROXY_V2_MAX];
        struct decoded d;
        decode(out, proxy_v2_write(&end, &end, &facts, out), &d);
        assert_int_equal(d.ssl[0x22].p != NULL, rows[i].written);
        assert_int_equal(d.verify, 0); /* the certificate is still valid */
        if (rows[i].written)
            assert_true(span_equal(d.ssl[0x22], facts.tls_cn));
    }
}

static void v2_omits_a_unique_id_of_more_than_128_bytes(void **state)
{
    (void)state;
    struct proxy_endpoint end = endpoint_of("1.2.3.4", 1);
    for (size_t n = 0; n <= 200; n++) {
        struct proxy_facts facts = {.unique_id = span_of(filler, n)};
        uint8_t out[PROXY_V2_MAX];
        struct decoded d;
        decode(out, proxy_v2_write(&end, &end, &facts, out), &d);
        assert_int_equal(d.tlv[5].p != NULL, n <= 128);
    }
}

static void v2_without_facts_ends_after_the_addresses(void **state)
{
    (void)state;
    struct proxy_endpoint v4 = endpoint_of("1.2.3.4", 1);
    struct proxy_endpoint v6 = endpoint_of("2001:db8::1", 2);
    /* TLS facts are ignored without has_tls. */
    struct proxy_facts facts = {.tls_version = text("TLSv1.3"),
                                .tls_cipher = text("X"),
                                .client_cert_conn = true,
                                .verified = true,
                                .tls_cn = text("dev-01"),
                                .tls_sig_alg = text("RSA-SHA256"),
                                .tls_key_alg = text("RSA2048")};
    uint8_t out[PROXY_V2_MAX];
    assert_int_equal(proxy_v2_write(&v4, &v4, &facts, out), 16 + 12);
    assert_int_equal(proxy_v2_write(&v6, &v6, &facts, out), 16 + 36);
}

static void v2_writes_both_endpoints_in_one_family(void **state)
{
    (void)state;
    static const struct {
        const char *source, *destination, *source_out, *destination_out;
    } rows[] = {
        {"1.2.3.4", "5.6.7.8", "1.2.3.4", "5.6.7.8"},
        {"::ffff:1.2.3.4", "5.6.7.8", "1.2.3.4", "5.6.7.8"},
        {"1.2.3.4", "::ffff:5.6.7.8", "1.2.3.4", "5.6.7.8"},
        {"1.2.3.4", "2001:db8::1", "::ffff:1.2.3.4", "2001:db8::1"},
        {"2001:db8::1", "1.2.3.4", "2001:db8::1", "::ffff:1.2.3.4"},
        {"::ffff:1.2.3.4", "2001:db8::1", "::ffff:1.2.3.4", "2001:db8::1"},
        {"::1.2.3.4", "::fffe:1.2.3.4", "::1.2.3.4", "::fffe:1.2.3.4"},
    };
    struct proxy_facts facts = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct proxy_endpoint source = endpoint_of(rows[i].source, 258);
        struct proxy_endpoint destination = endpoint_of(rows[i].destination, 65535);
        struct proxy_endpoint source_out = endpoint_of(rows[i].source_out, 0);
        struct proxy_endpoint destination_out = endpoint_of(rows[i].destination_out, 0);
        uint8_t out[PROXY_V2_MAX];
        struct decoded d;
        decode(out, proxy_v2_write(&source, &destination, &facts, out), &d);
        assert_int_equal(d.source_ip.n, source_out.is_ipv6 ? 16 : 4);
        assert_memory_equal(d.source_ip.p, source_out.ip, d.source_ip.n);
        assert_memory_equal(d.destination_ip.p, destination_out.ip, d.destination_ip.n);
        assert_int_equal(d.source_port, 258);
        assert_int_equal(d.destination_port, 65535);
    }
}

static void assert_there(struct span got, struct span given, bool expected)
{
    assert_int_equal(got.p != NULL, expected);
    if (expected) {
        assert_int_equal(got.n, given.n);
        assert_memory_equal(got.p, given.p, given.n);
    }
}

/* Take 3 + n bytes from *room if they fit: a second implementation of the documented priority. */
static bool fits(size_t *room, struct span value)
{
    if (!value.p || value.n + 3 > *room)
        return false;
    *room -= value.n + 3;
    return true;
}

static void check_ssl_sizes(const struct decoded *d, const struct proxy_facts *facts, size_t *room)
{
    bool verified = facts->verified && facts->client_cert_conn;
    *room -= 3 + 5;
    if (verified)
        assert_there(d->ssl[0x22], facts->tls_cn, fits(room, facts->tls_cn));
    else
        assert_null(d->ssl[0x22].p);
    assert_there(d->ssl[0x21], facts->tls_version, fits(room, facts->tls_version));
    assert_there(d->ssl[0x23], facts->tls_cipher, fits(room, facts->tls_cipher));
    assert_int_equal(d->client, facts->client_cert_conn ? 3 : 1);
    assert_int_equal(d->verify == 0, verified);
    for (size_t type = 0; type < ARRAY_LEN(d->ssl); type++)
        assert_true(!d->ssl[type].p || (type >= 0x21 && type <= 0x25));
}

static void check_sizes(const struct proxy_endpoint *end, const struct proxy_facts *facts)
{
    uint8_t *out = malloc(PROXY_V2_MAX); /* exact size: ASan detects an overflow */
    assert_non_null(out);
    size_t n = proxy_v2_write(end, end, facts, out);
    assert_true(n <= PROXY_V2_MAX);
    struct decoded d;
    decode(out, n, &d);

    size_t room = LENGTH_MAX - (end->is_ipv6 ? 36 : 12);
    assert_int_equal(d.tlv[0x20].p != NULL, facts->has_tls);
    if (facts->has_tls)
        check_ssl_sizes(&d, facts, &room);
    static const uint8_t four[4];
    struct span checksum = {.p = facts->crc32c ? four : NULL, .n = 4};
    if (fits(&room, checksum)) {
        assert_int_equal(d.tlv[3].n, 4);
        assert_int_equal(d.types[d.n_types - 1], 3);
        assert_int_equal(be32(d.tlv[3].p), textbook_crc32c(out, n, n - 4));
    } else {
        assert_null(d.tlv[3].p);
    }
    assert_there(d.tlv[5], facts->unique_id, fits(&room, facts->unique_id));
    assert_there(d.tlv[1], facts->alpn, fits(&room, facts->alpn));
    assert_there(d.tlv[2], facts->authority, fits(&room, facts->authority));
    if (facts->has_tls) {
        assert_there(d.ssl[0x24], facts->tls_sig_alg, fits(&room, facts->tls_sig_alg));
        assert_there(d.ssl[0x25], facts->tls_key_alg, fits(&room, facts->tls_key_alg));
    }
    free(out);
}

static void v2_never_writes_more_than_500_bytes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,   1,   7,   100, 190, 205, 229,
                                   230, 231, 232, 253, 254, 255, 65536};
    struct proxy_endpoint ends[] = {endpoint_of("1.2.3.4", 1), endpoint_of("2001:db8::1", 2)};
    struct proxy_facts facts = {0};
    for (unsigned bits = 0; bits < 64; bits++) {
        facts.crc32c = bits & 1;
        facts.has_tls = bits & 2;
        const struct proxy_endpoint *end = &ends[bits >> 2 & 1];
        facts.tls_version = bits & 8 ? text("TLSv1.2") : (struct span){0};
        facts.tls_cipher = bits & 16 ? text("ECDHE-ECDSA-AES128-GCM-SHA256") : (struct span){0};
        const size_t n_alpn = bits & 32 ? ARRAY_LEN(sizes) : 1;
        const size_t step = SANITIZED ? 5 : 1;
        for (size_t alpn = 0; alpn < n_alpn; alpn++) {
            facts.alpn = span_of(bits & 32 ? filler : NULL, sizes[alpn]);
            for (size_t sni = (bits + alpn) % step; sni <= 470; sni += step) {
                facts.authority = span_of(filler, sni);
                check_sizes(end, &facts);
            }
        }
    }
}

static void v2_omits_the_ssl_tlv_last(void **state)
{
    (void)state;
    struct proxy_endpoint ends[] = {endpoint_of("1.2.3.4", 1), endpoint_of("2001:db8::1", 2)};
    for (size_t cipher = 0; cipher <= 500; cipher++) {
        for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
            struct proxy_facts facts = {.has_tls = true,
                                        .crc32c = true,
                                        .tls_version = text("TLSv1.3"),
                                        .tls_cipher = span_of(filler, cipher),
                                        .alpn = text("mqtt"),
                                        .authority = text("broker.example")};
            check_sizes(&ends[i], &facts);
            facts.tls_version = span_of(filler, sizeof(filler));
            check_sizes(&ends[i], &facts);
        }
    }
}

/* With less and less room, facts are omitted in the documented order, the name last. */
static void v2_omits_the_name_after_all_other_facts(void **state)
{
    (void)state;
    struct proxy_endpoint ends[] = {endpoint_of("1.2.3.4", 1), endpoint_of("2001:db8::1", 2)};
    size_t fewest = 10;
    for (size_t cn = 0; cn <= 500; cn++) {
        for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
            struct proxy_facts facts = {.has_tls = true,
                                        .client_cert_conn = true,
                                        .verified = true,
                                        .crc32c = true,
                                        .unique_id = span_of(filler, 26),
                                        .tls_version = text("TLSv1.3"),
                                        .tls_cn = span_of(cn > 0 ? filler : NULL, cn),
                                        .tls_cipher = text("TLS_AES_128_GCM_SHA256"),
                                        .tls_sig_alg = text("ecdsa-with-SHA256"),
                                        .tls_key_alg = text("EC256"),
                                        .alpn = text("mqtt"),
                                        .authority = span_of(filler, 255)};
            check_sizes(&ends[i], &facts);
            uint8_t out[PROXY_V2_MAX];
            struct decoded d;
            decode(out, proxy_v2_write(&ends[i], &ends[i], &facts, out), &d);
            if (d.ssl[0x22].p)
                fewest = size_min(fewest, d.n_types);
        }
    }
    assert_int_equal(fewest, 1); /* with the longest name, only the SSL TLV remains */
}

static void v2_writes_the_tlvs_in_the_documented_order(void **state)
{
    (void)state;
    struct proxy_endpoint end = endpoint_of("1.2.3.4", 1);
    struct proxy_facts facts = {.has_tls = true,
                                .crc32c = true,
                                .alpn = text("mqtt"),
                                .authority = text("broker.example"),
                                .unique_id = text("id")};
    uint8_t out[PROXY_V2_MAX];
    struct decoded d;
    decode(out, proxy_v2_write(&end, &end, &facts, out), &d);
    assert_int_equal(d.n_types, 5);
    assert_memory_equal(d.types, "\x01\x02\x05\x20\x03", 5);
}

static void textbook_crc32c_returns_the_check_value(void **state)
{
    (void)state;
    /* RFC 3720 appendix B.4 and the check value for "123456789" in the CRC catalogue. */
    assert_int_equal(textbook_crc32c((const uint8_t *)"123456789", 9, 9), 0xe3069283u);
    uint8_t ones[32];
    memset(ones, 0xff, sizeof(ones));
    assert_int_equal(textbook_crc32c(ones, sizeof(ones), sizeof(ones)), 0x62a8ab43u);
}

int main(void)
{
    memset(filler, 'a', sizeof(filler));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v2_writes_the_vectors_byte_for_byte),
        cmocka_unit_test(v2_writes_the_ssl_tlv_as_laid_out_in_section_2_2_6),
        cmocka_unit_test(v2_without_facts_ends_after_the_addresses),
        cmocka_unit_test(v2_writes_both_endpoints_in_one_family),
        cmocka_unit_test(v2_never_writes_more_than_500_bytes),
        cmocka_unit_test(v2_omits_the_ssl_tlv_last),
        cmocka_unit_test(v2_writes_the_identity_as_laid_out_in_section_2_2_6),
        cmocka_unit_test(v2_writes_verified_only_if_a_certificate_was_presented),
        cmocka_unit_test(v2_omits_a_name_that_a_broker_could_misread),
        cmocka_unit_test(v2_omits_a_unique_id_of_more_than_128_bytes),
        cmocka_unit_test(v2_omits_the_name_after_all_other_facts),
        cmocka_unit_test(v2_writes_the_tlvs_in_the_documented_order),
        cmocka_unit_test(textbook_crc32c_returns_the_check_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
