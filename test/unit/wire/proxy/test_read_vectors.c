/*
 * test_read_vectors.c - the PROXY reader against the vectors made from the standard: whole, cut at
 * every place, byte by byte, read as a session does, each ending at a guard page.
 *
 * If a vector leaves the result open, `decisions` contains our choice.
 */
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "read_testing.h"
#include "vectors.h"

static struct guard_page guard;

static const struct {
    const char *name;
    bool accept;
} decisions[] = {
    {"v1-unknown-glued", false},     /* the grammar requires a space or CR LF after UNKNOWN */
    {"v2-unspec-empty", true},       /* like UNKNOWN and LOCAL */
    {"v2-inet-unspec", true},        /* a length check, then like UNSPEC */
    {"v2-tlv-authority-256", true},  /* the specification has no limit */
    {"v2-tlv-authority-crlf", true}, /* opaque here; users must escape it */
};

static const char *text_of(const json_t *vector, const char *key)
{
    return json_string_value(json_object_get(vector, key));
}

/* "a.b.c.d:port" or "[v6]:port"; IPv4-mapped IPv6 is converted to IPv4. */
static void assert_endpoint(const struct proxy_endpoint *end, const char *expected)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const bool is_mapped = end->is_ipv6 && memcmp(end->ip, mapped, sizeof(mapped)) == 0;
    char ip[INET6_ADDRSTRLEN], got[80], plain[80];

    assert_non_null(inet_ntop(end->is_ipv6 ? AF_INET6 : AF_INET, end->ip, ip, sizeof(ip)));
    (void)snprintf(got, sizeof(got), end->is_ipv6 ? "[%s]:%u" : "%s:%u", ip, ntohs(end->port_be));
    (void)snprintf(plain, sizeof(plain), "%s:%u", ip + (is_mapped ? strlen("::ffff:") : 0),
                   ntohs(end->port_be));
    if (!is_mapped || strcmp(plain, expected) != 0)
        assert_string_equal(got, expected);
}

static void assert_value(struct span got, const char *hex)
{
    static uint8_t room[PROXY_READ_MAX];

    assert_non_null(got.p);
    assert_true(span_equal(got, span_of(room, hex_decode(hex, room, sizeof(room)))));
}

/* Compare the value of an SSL TLV with the facts that were read from it. */
static void assert_ssl(const struct proxy_facts *facts, const char *hex)
{
    static uint8_t room[PROXY_READ_MAX];
    size_t n = hex_decode(hex, room, sizeof(room));
    bool presented = room[0] & 6, verified = presented && memcmp(room + 1, "\0\0\0\0", 4) == 0;
    const struct span values[] = {facts->tls_version, facts->tls_cn, facts->tls_cipher,
                                  facts->tls_sig_alg, facts->tls_key_alg};
    size_t met = 0;

    assert_int_equal(facts->has_tls, room[0] & 1);
    assert_int_equal(facts->client_cert_conn, (room[0] & 2) != 0);
    assert_int_equal(facts->client_cert_sess, (room[0] & 4) != 0);
    assert_int_equal(facts->verified, verified);
    for (size_t at = 5; at < n;) {
        size_t size = (size_t)room[at + 1] << 8 | room[at + 2];
        if (room[at] >= 0x21 && room[at] <= 0x25 && (room[at] != 0x22 || verified)) {
            assert_true(span_equal(values[room[at] - 0x21], span_of(room + at + 3, size)));
            met++;
        }
        at += 3 + size;
    }
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        met -= values[i].p != NULL;
    assert_int_equal(met, 0);
}

/* The value of the last TLV of a type, which is the one that is used; null if there is none. */
static const char *last_tlv(const json_t *vector, json_int_t type)
{
    const char *hex = NULL;
    const json_t *tlv;
    size_t i;

    json_array_foreach(json_object_get(vector, "tlvs"), i,
                       tlv) if (json_integer_value(json_array_get(tlv, 0)) == type) hex =
        json_string_value(json_array_get(tlv, 1));
    return hex;
}

static void assert_facts(const struct proxy_facts *facts, const json_t *vector)
{
    const struct span values[] = {
        [1] = facts->alpn, [2] = facts->authority, [5] = facts->unique_id};

    for (size_t type = 0; type < ARRAY_LEN(values); type++) {
        const char *hex =
            type == 1 || type == 2 || type == 5 ? last_tlv(vector, (json_int_t)type) : NULL;
        assert_int_equal(values[type].p != NULL, hex != NULL);
        if (hex)
            assert_value(values[type], hex);
    }
    assert_int_equal(facts->crc32c, last_tlv(vector, 3) != NULL);
    assert_int_equal(facts->has_tls, last_tlv(vector, 32) != NULL);
    if (facts->has_tls)
        assert_ssl(facts, last_tlv(vector, 32));
}

static bool is_accepted(const json_t *vector)
{
    const char *expect = text_of(vector, "expect");

    for (size_t i = 0; strcmp(expect, "either") == 0; i++) {
        if (i == ARRAY_LEN(decisions))
            fail_msg("%s: no decision", text_of(vector, "name"));
        if (strcmp(decisions[i].name, text_of(vector, "name")) == 0)
            return decisions[i].accept;
    }
    return strcmp(expect, "accept") == 0;
}

static void check_vector(const json_t *vector)
{
    static uint8_t bytes[PROXY_INPUT_MAX];
    size_t n = hex_decode(text_of(vector, "hex"), bytes, sizeof(bytes));
    struct outcome o = read_in_all_ways(&guard, bytes, n);

    print_message("%s\n", text_of(vector, "name"));
    if (!is_accepted(vector)) {
        /* An incomplete header is rejected by the caller at the end of the stream. */
        assert_int_equal(o.result, text_of(vector, "after") ? PARSE_MORE : PARSE_BAD);
        return;
    }
    assert_int_equal(o.result, PARSE_DONE);
    assert_int_equal(o.header.version, json_integer_value(json_object_get(vector, "ver")));
    const char *source = text_of(vector, "src");
    assert_int_equal(o.header.has_address, source != NULL);
    if (source) {
        assert_endpoint(&o.header.source, source);
        assert_endpoint(&o.header.destination, text_of(vector, "dst"));
    }
    assert_facts(&o.header.facts, vector);
    if (text_of(vector, "note"))
        assert_true(o.next < n); /* the payload that looks like a header was not read */
    else
        assert_int_equal(o.next, n);
}

static void vectors_are_read_as_expected_for_every_split(void **state)
{
    (void)state;
    json_t *list = vectors_load("proxy.jsonl"), *vector;
    size_t i;

    json_array_foreach(list, i, vector) check_vector(vector);
    print_message("%zu vectors\n", i);
    assert_true(i > 50);
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_read_as_expected_for_every_split),
    };
    guard = guard_page_new(PROXY_INPUT_MAX);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    guard_page_free(&guard);
    return failed;
}
