/*
 * test_write_v1.c - the PROXY text line, byte for byte.
 */
#include "write_testing.h"

/* Write into a block of exactly PROXY_V1_MAX bytes, so that ASan detects an overflow. */
static void assert_line(struct proxy_endpoint source, struct proxy_endpoint destination,
                        const char *expected)
{
    uint8_t *out = malloc(PROXY_V1_MAX);
    assert_non_null(out);
    size_t n = proxy_v1_write(&source, &destination, out);
    assert_true(n <= PROXY_V1_MAX);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(out, expected, n);
    free(out);
}

static void check_vector(const json_t *vector)
{
    struct proxy_endpoint source = vector_endpoint(vector, "src", "src_port");
    struct proxy_endpoint destination = vector_endpoint(vector, "dst", "dst_port");
    uint8_t out[PROXY_V1_MAX];
    size_t n = proxy_v1_write(&source, &destination, out);
    assert_hex(out, n, json_string_value(json_object_get(vector, "hex")));
}

static void v1_writes_the_vectors_byte_for_byte(void **state)
{
    (void)state;
    for_each_send_vector(1, check_vector);
}

static void v1_writes_the_example_lines_of_the_specification(void **state)
{
    (void)state;
    /* The longest lines, from which section 2.1 derives the limit of 107. */
    assert_line(endpoint_of("255.255.255.255", 65535), endpoint_of("255.255.255.255", 65535),
                "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n");
    assert_line(endpoint_of("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
                endpoint_of("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
                "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n");
    /* The example of section 2.1. */
    assert_line(endpoint_of("192.168.0.1", 56324), endpoint_of("192.168.0.11", 443),
                "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n");
}

static void v1_writes_ipv6_as_rfc_5952_does(void **state)
{
    (void)state;
    assert_line(endpoint_of("2001:0DB8::0007", 50000), endpoint_of("2001:db8::9", 8883),
                "PROXY TCP6 2001:db8::7 2001:db8::9 50000 8883\r\n");
    assert_line(endpoint_of("2001:db8:1:2:3:4:5:0", 1), endpoint_of("::", 65535),
                "PROXY TCP6 2001:db8:1:2:3:4:5:0 :: 1 65535\r\n");
    assert_line(endpoint_of("2001:0:0:1:0:0:0:1", 0), endpoint_of("::1", 1883),
                "PROXY TCP6 2001:0:0:1::1 ::1 0 1883\r\n");
}

static void v1_writes_mapped_endpoints_as_ipv4(void **state)
{
    (void)state;
    const char *line = "PROXY TCP4 1.2.3.4 5.6.7.8 1000 8883\r\n";
    assert_line(endpoint_of("::ffff:1.2.3.4", 1000), endpoint_of("::ffff:5.6.7.8", 8883), line);
    assert_line(endpoint_of("::ffff:1.2.3.4", 1000), endpoint_of("5.6.7.8", 8883), line);
    assert_line(endpoint_of("1.2.3.4", 1000), endpoint_of("::ffff:5.6.7.8", 8883), line);
}

static void v1_maps_a_single_ipv4_endpoint_to_ipv6_without_dots(void **state)
{
    (void)state;
    assert_line(endpoint_of("192.0.2.1", 1000), endpoint_of("2001:db8::9", 8883),
                "PROXY TCP6 ::ffff:c000:201 2001:db8::9 1000 8883\r\n");
    assert_line(endpoint_of("2001:db8::9", 1000), endpoint_of("::ffff:255.255.255.255", 8883),
                "PROXY TCP6 2001:db8::9 ::ffff:ffff:ffff 1000 8883\r\n");
    /* inet_ntop writes dots for this old form too. */
    assert_line(endpoint_of("::1.2.3.4", 1000), endpoint_of("2001:db8::9", 8883),
                "PROXY TCP6 ::102:304 2001:db8::9 1000 8883\r\n");
}

/* Read the line with the grammar of section 2.1 only, for many kinds of addresses. */
static void v1_lines_read_back_as_the_same_addresses(void **state)
{
    (void)state;
    uint32_t seed = 12345;
    for (int round = 0; round < 20000; round++) {
        struct proxy_endpoint end = {.is_ipv6 = true};
        for (size_t i = 0; i < 16; i++) {
            seed = seed * 1103515245u + 12345u;
            /* Many zero and 0xff bytes, for runs and prefixes. */
            end.ip[i] = (uint8_t)(seed >> 29 < 5 ? 0 : seed >> 29 == 5 ? 0xff : seed >> 16);
        }
        end.port_be = (uint16_t)(seed >> 8);
        struct proxy_endpoint other = endpoint_of("2001:db8::1", 1883);
        uint8_t out[PROXY_V1_MAX];
        size_t n = proxy_v1_write(&end, &other, out);

        char line[PROXY_V1_MAX + 1];
        memcpy(line, out, n);
        line[n] = '\0';
        char source[64], destination[64];
        unsigned source_port, port;
        int used = 0;
        assert_int_equal(sscanf(line, "PROXY TCP6 %63[0-9a-f:] %63[0-9a-f:] %u %u\r\n%n", source,
                                destination, &source_port, &port, &used),
                         4);
        assert_int_equal(used, n);
        uint8_t ip[16];
        assert_int_equal(inet_pton(AF_INET6, source, ip), 1);
        assert_memory_equal(ip, end.ip, 16);
        assert_int_equal(source_port, ntohs(end.port_be));
        assert_string_equal(destination, "2001:db8::1");
        assert_int_equal(port, 1883);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v1_writes_the_vectors_byte_for_byte),
        cmocka_unit_test(v1_writes_the_example_lines_of_the_specification),
        cmocka_unit_test(v1_writes_ipv6_as_rfc_5952_does),
        cmocka_unit_test(v1_writes_mapped_endpoints_as_ipv4),
        cmocka_unit_test(v1_maps_a_single_ipv4_endpoint_to_ipv6_without_dots),
        cmocka_unit_test(v1_lines_read_back_as_the_same_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
