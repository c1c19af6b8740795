/*
 * test_read_v2.c - read the binary PROXY header: its fields, how early an invalid one is detected,
 * and which facts are read.
 */
#include "read_testing.h"

#define SIGNATURE "0d0a0d0a000d0a515549540a "
#define ADDRESSES "c6336407 cb007109 9c40 22b3 "
/* A header of PROXY over TCP and IPv4; `length` covers the 12 bytes of addresses and the TLVs. */
#define V4(length) SIGNATURE "21 11 " length " " ADDRESSES

static struct guard_page guard;
static uint8_t room[PROXY_INPUT_MAX];

static struct outcome read_hex(const char *hex)
{
    return read_in_all_ways(&guard, room, hex_decode(hex, room, sizeof(room)));
}

static void assert_text(struct span got, const char *expected)
{
    assert_int_equal(got.p != NULL, expected != NULL);
    assert_true(span_equal(got, span_of_str(expected)));
}

static void v2_reads_addresses_and_ports_of_both_families(void **state)
{
    (void)state;
    struct outcome o = read_hex(V4("000c"));
    assert_int_equal(o.result, PARSE_DONE);
    assert_int_equal(o.header.version, 2);
    assert_true(o.header.has_address);
    assert_false(o.header.source.is_ipv6);
    assert_memory_equal(o.header.source.ip, "\xc6\x33\x64\x07\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_memory_equal(o.header.destination.ip, "\xcb\x00\x71\x09\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_int_equal(ntohs(o.header.source.port_be), 40000);
    assert_int_equal(ntohs(o.header.destination.port_be), 8883);

    o = read_hex(SIGNATURE "21 21 0024 20010db8000000000000000000000007 "
                           "00000000000000000000ffffc0000201 9c40 22b3");
    assert_int_equal(o.result, PARSE_DONE);
    assert_true(o.header.has_address && o.header.source.is_ipv6 && o.header.destination.is_ipv6);
    assert_memory_equal(o.header.source.ip, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07", 16);
    assert_memory_equal(o.header.destination.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01", 16);
    assert_int_equal(ntohs(o.header.source.port_be), 40000);
    assert_int_equal(ntohs(o.header.destination.port_be), 8883);
}

static void v2_requests_the_fixed_bytes_and_then_the_rest(void **state)
{
    (void)state;
    static const struct {
        const char *start;
        size_t next;
    } rows[] = {
        {"", 12},
        {"0d", 15},
        {SIGNATURE, 4},
        {SIGNATURE "21 11 00", 1},
        {SIGNATURE "21 11 1000", 4096},
        {SIGNATURE "20 00 0001", 1},
        {V4("0010") "04", 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o = read_hex(rows[i].start);
        assert_int_equal(o.result, PARSE_MORE);
        assert_int_equal(o.next, rows[i].next);
    }
}

/* Fill the rest of the header that starts with these 16 bytes with zeros: addresses, then TLVs. */
static struct outcome read_padded(const char *fixed)
{
    size_t n = hex_decode(fixed, room, sizeof(room));
    size_t length = (size_t)room[14] << 8 | room[15];

    assert_int_equal(n, 16);
    memset(room + 16, 0, length);
    return read_in_all_ways(&guard, room, 16 + length);
}

static void v2_without_a_tcp_address_returns_no_address(void **state)
{
    (void)state;
    static const char *const rows[] = {
        SIGNATURE "20 00 0000", SIGNATURE "20 00 0001", SIGNATURE "20 11 000c",
        SIGNATURE "20 11 0005", SIGNATURE "20 ff 0002", SIGNATURE "20 31 1000",
        SIGNATURE "21 00 0000", SIGNATURE "21 00 0001", SIGNATURE "21 01 000c",
        SIGNATURE "21 02 0002", SIGNATURE "21 10 000c", SIGNATURE "21 12 000c",
        SIGNATURE "21 20 0024", SIGNATURE "21 22 0024", SIGNATURE "21 30 00d8",
        SIGNATURE "21 31 00d8", SIGNATURE "21 32 00d8", SIGNATURE "21 32 00db",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        print_message("%s\n", rows[i]);
        struct outcome o = read_padded(rows[i]);
        assert_int_equal(o.result, PARSE_DONE);
        assert_false(o.header.has_address);
        assert_int_equal(o.header.version, 2);
    }
}

static void v2_reads_facts_with_an_unusable_address_but_not_of_local_and_unspec(void **state)
{
    (void)state;
    struct outcome o = read_hex(SIGNATURE "21 12 0013 " ADDRESSES "010004 6d717474");
    assert_int_equal(o.result, PARSE_DONE);
    assert_false(o.header.has_address);
    assert_text(o.header.facts.alpn, "mqtt");

    static const char *const rows[] = {"20 11 0013 ", "20 00 0013 ", "21 00 0013 ", "21 01 0013 "};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char hex[200];
        (void)snprintf(hex, sizeof(hex), "%s%s%s%s", SIGNATURE, rows[i], ADDRESSES,
                       "010004 6d717474");
        o = read_hex(hex);
        assert_int_equal(o.result, PARSE_DONE);
        assert_false(o.header.has_address);
        assert_null(o.header.facts.alpn.p);
    }
}

static void v2_invalid_headers_are_rejected_on_the_earliest_byte(void **state)
{
    (void)state;
    static const struct {
        const char *hex, *fault;
        size_t bad_at;
    } rows[] = {
        {"0d0d", "signature", 2},
        {"0d0a0d0a000d0a515549540d", "signature", 12},
        {SIGNATURE "11", "v2_version", 13},
        {SIGNATURE "01", "v2_version", 13},
        {SIGNATURE "22", "v2_command", 13},
        {SIGNATURE "2f", "v2_command", 13},
        {SIGNATURE "21 13", "v2_family", 14},
        {SIGNATURE "21 41", "v2_family", 14},
        {SIGNATURE "21 03", "v2_family", 14},
        {SIGNATURE "21 11 000b", "v2_length", 16},
        {SIGNATURE "21 12 000b", "v2_length", 16},
        {SIGNATURE "21 20 0023", "v2_length", 16},
        {SIGNATURE "21 22 0023", "v2_length", 16},
        {SIGNATURE "21 32 00d7", "v2_length", 16},
        {SIGNATURE "21 11 1001", "v2_length", 16},
        {SIGNATURE "21 11 11", "v2_length", 15},
        {SIGNATURE "20 00 ff", "v2_length", 15},
        /* incomplete TLVs: known from the length of the header or of the TLV before */
        {SIGNATURE "21 11 000d", "tlv_length", 16},
        {SIGNATURE "21 11 000e", "tlv_length", 16},
        {SIGNATURE "21 31 00d9", "tlv_length", 16},
        {V4("0010") "04 0000", "tlv_length", 31},
        {V4("0011") "04 0000", "tlv_length", 31},
        {V4("0012") "04 0004", "tlv_length", 31},
        {V4("0012") "04 01", "tlv_length", 30},
        /* TLVs with the wrong size for their type */
        {V4("0012") "03", "tlv_length", 29},
        {V4("0013") "03 01", "tlv_length", 30},
        {V4("0013") "03 0003", "tlv_length", 31},
        {V4("0014") "03", "tlv_length", 29},
        {V4("0016") "03 0004", "", 0},
        {V4("0200") "05 0081", "tlv_length", 31},
        {V4("0200") "05 01", "tlv_length", 30},
        {V4("0200") "05 0080", "", 0},
        /* 128 bytes would leave an incomplete TLV, fewer need not */
        {V4("0090") "05 00", "", 0},
        {V4("0091") "05 0080", "tlv_length", 31},
        {V4("0013") "20", "tlv_length", 29},
        {V4("0017") "20 0004", "tlv_length", 31},
        /* repeated: known from the type */
        {V4("001a") "03 0004 6d717474 03", "crc32c_twice", 36},
        /* inside SSL */
        {V4("0015") "20 0006", "ssl_tlv_length", 31},
        {V4("0016") "20 0007", "ssl_tlv_length", 31},
        {V4("001a") "20 0008 01 00000000 21 0001", "ssl_tlv_length", 39},
        {V4("001a") "20 000b 01 00000000 21 0004", "ssl_tlv_length", 39},
        {V4("001a") "20 000b 01 00000000 21 01", "ssl_tlv_length", 38},
        {V4("001a") "20 000b 01 00000000 99 0002", "ssl_tlv_length", 39},
        /* the last of a type is used, but an earlier one must be valid as well */
        {V4("001f") "20 0010 01 00000000 22 0002 6162 22 0007", "ssl_tlv_length", 44},
        {V4("0200") "05 0000 05 0081", "tlv_length", 34},
        /* checksum mismatch: known only from the last byte */
        {V4("0013") "03 0004 00000000", "crc32c", 35},
        {V4("0016") "03 0004 00000000 04 0000", "crc32c", 38},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o = read_hex(rows[i].hex);
        print_message("%s\n", rows[i].hex);
        assert_int_equal(o.result, rows[i].bad_at > 0 ? PARSE_BAD : PARSE_MORE);
        if (o.result == PARSE_MORE)
            continue;
        assert_string_equal(o.header.fault, rows[i].fault);
        assert_int_equal(o.decided_at, rows[i].bad_at);
    }
}

/*
 * Extend room[0..n) to length `end` in all ways with bytes of `alphabet`: a prefix must be
 * rejected if and only if none of its completions is accepted. Returns whether one is accepted.
 */
static bool some_ending_is_good(size_t n, size_t end)
{
    static const uint8_t alphabet[] = {0, 1, 2, 4, 5, 6, 0x20, 0x21};
    struct outcome o = read_once(room, n);

    if (n == end) {
        assert_int_not_equal(o.result, PARSE_MORE);
        return o.result == PARSE_DONE;
    }
    bool good = false;
    if (o.result != PARSE_BAD) {
        for (size_t i = 0; i < sizeof(alphabet); i++) {
            room[n] = alphabet[i];
            good = some_ending_is_good(n + 1, end) || good;
        }
        assert_true(good);
    }
    return good;
}

static void v2_rejects_tlvs_as_soon_as_they_cannot_be_valid(void **state)
{
    (void)state;
    static const struct {
        const char *start;
        size_t more;
    } rows[] = {
        {V4("000f"), 3},
        {V4("0010"), 4},
        {V4("0011"), 5},
        {V4("0012"), 6},
        {V4("0013"), 7},
        {V4("0014"), 8},
        {V4("0014") "20 0005 01 00000000", 0},
        {V4("0017") "20 0008 01 00000000", 3},
        {V4("001a") "20 000b 01 00000000", 6},
        {V4("001b") "20 000c 01 00000000", 7},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = hex_decode(rows[i].start, room, sizeof(room));
        assert_true(some_ending_is_good(n, n + rows[i].more));
    }
}

static void v2_headers_with_a_length_of_4096_are_accepted(void **state)
{
    (void)state;
    size_t n = hex_decode(SIGNATURE "21 11 1000 " ADDRESSES "04 0ff1", room, sizeof(room));
    memset(room + n, 0xee, PROXY_READ_MAX - n);
    struct outcome o = read_in_all_ways(&guard, room, PROXY_READ_MAX);
    assert_int_equal(o.result, PARSE_DONE);
    assert_int_equal(o.next, PROXY_READ_MAX);
    assert_true(o.header.has_address);
}

static void v2_reads_every_known_fact(void **state)
{
    (void)state;
    struct outcome o = read_hex(V4("006f") "010004 6d717474"             /* ALPN mqtt */
                                           "02000a 736e692e746573742e78" /* AUTHORITY sni.test.x */
                                           "050003 00ff0a"               /* UNIQUE_ID */
                                           "040002 ffff e00001 aa 30000178 e00001 aa" /* skipped */
                                           "200035 07 00000000"
                                           "210007 544c5376312e33" /* TLSv1.3 */
                                           "220006 6465762d3031"   /* dev-01 */
                                           "230002 4331"           /* C1 */
                                           "26000178 26000178"     /* unknown sub-TLVs, skipped */
                                           "240006 454344534121"   /* ECDSA! */
                                           "250004 50323536");     /* P256 */
    assert_int_equal(o.result, PARSE_DONE);
    const struct proxy_facts *facts = &o.header.facts;
    assert_text(facts->alpn, "mqtt");
    assert_text(facts->authority, "sni.test.x");
    assert_true(span_equal(facts->unique_id, span_of("\x00\xff\x0a", 3)));
    assert_false(facts->crc32c);
    assert_true(facts->has_tls && facts->verified);
    assert_true(facts->client_cert_conn && facts->client_cert_sess);
    assert_text(facts->tls_version, "TLSv1.3");
    assert_text(facts->tls_cn, "dev-01");
    assert_text(facts->tls_cipher, "C1");
    assert_text(facts->tls_sig_alg, "ECDSA!");
    assert_text(facts->tls_key_alg, "P256");
}

static void v2_uses_the_last_tlv_of_a_repeated_type(void **state)
{
    (void)state;
    struct outcome o = read_hex(V4("0062") "010002 6832 010004 6d717474 010001 71" /* h2 mqtt q */
                                           "020001 61 020001 62"
                                           "050002 0102 050000"
                                           "200013 07 00000000 220001 61 220001 62 210003 332e31"
                                           "200010 03 00000000 230001 43 220001 63 210000"
                                           "040000 040000 990001 00 990000");
    assert_int_equal(o.result, PARSE_DONE);
    const struct proxy_facts *facts = &o.header.facts;
    assert_text(facts->alpn, "q");
    assert_text(facts->authority, "b");
    assert_text(facts->unique_id, "");
    assert_true(facts->client_cert_conn && !facts->client_cert_sess && facts->verified);
    assert_text(facts->tls_cn, "c");
    assert_text(facts->tls_version, "");
    assert_text(facts->tls_cipher, "C");
    /* no field of the earlier SSL TLV remains: no name without its certificate */
    o = read_hex(V4("0025") "20000e 07 00000000 220001 61 230002 4141 200005 01 00000000");
    assert_int_equal(o.result, PARSE_DONE);
    assert_true(o.header.facts.has_tls && !o.header.facts.verified);
    assert_null(o.header.facts.tls_cn.p);
    assert_null(o.header.facts.tls_cipher.p);
}

static void v2_reads_a_name_only_from_a_verified_certificate(void **state)
{
    (void)state;
    static const struct {
        const char *client_verify;
        bool has_tls, conn, sess, verified;
    } rows[] = {
        {"03 00000000", true, true, false, true},    {"05 00000000", true, false, true, true},
        {"07 00000000", true, true, true, true},     {"ff 00000000", true, true, true, true},
        {"01 00000000", true, false, false, false}, /* no certificate: HAProxy sends verify = 0 */
        {"03 00000001", true, true, false, false},   {"07 80000000", true, true, true, false},
        {"02 00000000", false, false, false, false}, /* no TLS: all fields are ignored */
        {"00 00000000", false, false, false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char hex[200];
        (void)snprintf(hex, sizeof(hex), "%s%s%s", V4("001f") "200010", rows[i].client_verify,
                       "210001 33 220001 61 230000");
        struct outcome o = read_hex(hex);
        const struct proxy_facts *facts = &o.header.facts;
        print_message("%s\n", rows[i].client_verify);
        assert_int_equal(o.result, PARSE_DONE);
        assert_int_equal(facts->has_tls, rows[i].has_tls);
        assert_int_equal(facts->client_cert_conn, rows[i].conn);
        assert_int_equal(facts->client_cert_sess, rows[i].sess);
        assert_int_equal(facts->verified, rows[i].verified);
        assert_text(facts->tls_cn, rows[i].verified ? "a" : NULL);
        assert_text(facts->tls_version, rows[i].has_tls ? "3" : NULL);
        assert_text(facts->tls_cipher, rows[i].has_tls ? "" : NULL);
    }
}

static void v2_skips_tlvs_that_are_not_sub_tlvs_inside_ssl(void **state)
{
    (void)state;
    struct outcome o = read_hex(V4("0029") "20001a 01 00000000"
                                           "030001 00 200000 030001 00 050000 010001 78 020000");
    assert_int_equal(o.result, PARSE_DONE);
    assert_true(o.header.facts.has_tls);
    assert_null(o.header.facts.alpn.p);
    assert_null(o.header.facts.authority.p);
    assert_null(o.header.facts.unique_id.p);
    assert_false(o.header.facts.crc32c);
    /* the types of sub-TLVs have no meaning outside */
    o = read_hex(V4("0014") "210001 78 220001 78");
    assert_int_equal(o.result, PARSE_DONE);
    assert_false(o.header.facts.has_tls);
    assert_null(o.header.facts.tls_version.p);
}

static void assert_sees_every_flipped_bit(const char *hex, size_t type_at)
{
    size_t n = hex_decode(hex, room, sizeof(room));
    struct outcome o = read_in_all_ways(&guard, room, n);
    assert_int_equal(o.result, PARSE_DONE);
    assert_true(o.header.facts.crc32c);
    for (size_t bit = 8 * 16; bit < 8 * n; bit++) {
        if (bit / 8 == type_at) /* becomes an unknown type, which is skipped */
            continue;
        room[bit / 8] ^= (uint8_t)(1u << bit % 8);
        o = read_once(room, n);
        assert_int_equal(o.result, PARSE_BAD);
        room[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void v2_detects_every_flipped_bit_if_there_is_a_checksum(void **state)
{
    (void)state;
    /* One from the vectors, and one from another implementation that is followed by a TLV. */
    assert_sees_every_flipped_bit(V4("001a") "010004 6d717474 030004 43375d8c", 35);
    assert_sees_every_flipped_bit(V4("001e") "010001 71 030004 8540cbb8 040004 01020304", 32);
}

static void v2_does_not_read_bytes_after_the_header(void **state)
{
    (void)state;
    static const char *const rows[] = {
        SIGNATURE "20 00 0000 10 0c 0004",
        V4("000c") "10",
        V4("000c") SIGNATURE "21 11 000c",
        V4("0013") "010004 6d717474 010004 6d717474",
        V4("001a") "010004 6d717474 030004 43375d8c 030004 00000000",
    };
    static const size_t sizes[] = {16, 28, 28, 35, 42};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o = read_hex(rows[i]);
        assert_int_equal(o.result, PARSE_DONE);
        assert_int_equal(o.next, sizes[i]);
        assert_int_equal(o.decided_at, sizes[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v2_reads_addresses_and_ports_of_both_families),
        cmocka_unit_test(v2_requests_the_fixed_bytes_and_then_the_rest),
        cmocka_unit_test(v2_without_a_tcp_address_returns_no_address),
        cmocka_unit_test(v2_reads_facts_with_an_unusable_address_but_not_of_local_and_unspec),
        cmocka_unit_test(v2_invalid_headers_are_rejected_on_the_earliest_byte),
        cmocka_unit_test(v2_rejects_tlvs_as_soon_as_they_cannot_be_valid),
        cmocka_unit_test(v2_headers_with_a_length_of_4096_are_accepted),
        cmocka_unit_test(v2_reads_every_known_fact),
        cmocka_unit_test(v2_uses_the_last_tlv_of_a_repeated_type),
        cmocka_unit_test(v2_reads_a_name_only_from_a_verified_certificate),
        cmocka_unit_test(v2_skips_tlvs_that_are_not_sub_tlvs_inside_ssl),
        cmocka_unit_test(v2_detects_every_flipped_bit_if_there_is_a_checksum),
        cmocka_unit_test(v2_does_not_read_bytes_after_the_header),
    };
    guard = guard_page_new(PROXY_INPUT_MAX);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    guard_page_free(&guard);
    return failed;
}
