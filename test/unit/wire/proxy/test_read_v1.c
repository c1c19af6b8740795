/*
 * test_read_v1.c - read the PROXY text line: which lines are valid, how early an invalid one is
 * detected, and that the number of bytes requested leads to the LF and never past it.
 */
#include "read_testing.h"

static struct guard_page guard;

static struct outcome read_line(const char *line)
{
    return read_in_all_ways(&guard, (const uint8_t *)line, strlen(line));
}

static void assert_endpoint(const struct proxy_endpoint *end, const char *ip, unsigned port)
{
    uint8_t expected[16] = {0};

    assert_int_equal(end->is_ipv6, strchr(ip, ':') != NULL);
    assert_int_equal(inet_pton(end->is_ipv6 ? AF_INET6 : AF_INET, ip, expected), 1);
    assert_memory_equal(end->ip, expected, sizeof(expected));
    assert_int_equal(ntohs(end->port_be), port);
}

static void v1_reads_addresses_and_ports_of_both_families(void **state)
{
    (void)state;
    static const struct {
        const char *line, *source, *destination;
        unsigned source_port, destination_port;
    } rows[] = {
        {"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", "192.168.0.1", "192.168.0.11", 56324,
         443},
        {"PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n", "255.255.255.255", "0.0.0.0", 65535, 0},
        {"PROXY TCP6 :: ::1 0 1\r\n", "::", "::1", 0, 1},
        {"PROXY TCP6 2001:DB8::aBcD 1::8 1 2\r\n", "2001:db8::abcd", "1::8", 1, 2},
        {"PROXY TCP6 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 1 2\r\n", "1:2:3:4:5:6:7:0", "0:2:3:4:5:6:7:8",
         1, 2},
        {"PROXY TCP6 1:2:3::5:6:7:8 0001:0:0:0:0:0:0:0 1 2\r\n", "1:2:3:0:5:6:7:8", "1::", 1, 2},
        {"PROXY TCP6 ::ffff:c000:201 ::ffff:ffff:ffff 1 2\r\n", "::ffff:192.0.2.1",
         "::ffff:255.255.255.255", 1, 2},
        /* dotted tails: HAProxy, nginx and stunnel write them for an IPv4 client */
        {"PROXY TCP6 ::ffff:203.0.113.9 ::FFFF:10.0.0.1 40000 1883\r\n", "::ffff:203.0.113.9",
         "::ffff:10.0.0.1", 40000, 1883},
        {"PROXY TCP6 ::1.2.3.4 1:2:3:4:5:6:255.255.255.255 1 2\r\n", "::102:304",
         "1:2:3:4:5:6:ffff:ffff", 1, 2},
        {"PROXY TCP6 1::0.0.0.0 1:2:3:4:5::9.8.7.6 1 2\r\n", "1::", "1:2:3:4:5:0:908:706", 1, 2},
        {"PROXY TCP6 64:ff9b::192.0.2.33 fe80::2 1 2\r\n", "64:ff9b::c000:221", "fe80::2", 1, 2},
        /* one address of each family: nginx behind another balancer */
        {"PROXY TCP6 2001:db8::7 127.0.0.1 40000 1883\r\n", "2001:db8::7", "127.0.0.1", 40000,
         1883},
        {"PROXY TCP6 203.0.113.9 2001:db8::7 40000 1883\r\n", "203.0.113.9", "2001:db8::7", 40000,
         1883},
        {"PROXY TCP6 0.0.0.0 ::ffff:1.2.3.4 0 0\r\n", "0.0.0.0", "::ffff:1.2.3.4", 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o = read_line(rows[i].line);
        assert_int_equal(o.result, PARSE_DONE);
        assert_int_equal(o.next, strlen(rows[i].line));
        assert_int_equal(o.header.version, 1);
        assert_true(o.header.has_address);
        assert_endpoint(&o.header.source, rows[i].source, rows[i].source_port);
        assert_endpoint(&o.header.destination, rows[i].destination, rows[i].destination_port);
        assert_null(o.header.facts.alpn.p);
        assert_false(o.header.facts.has_tls);
    }
}

static void v1_unknown_has_no_address_for_any_rest_of_the_line(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN \r\n",
        "PROXY UNKNOWN 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY UNKNOWN a\rb\nc\r\r\n",
        "PROXY UNKNOWN \n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct outcome o = read_line(lines[i]);
        assert_int_equal(o.result, PARSE_DONE);
        assert_int_equal(o.next, strlen(lines[i]));
        assert_false(o.header.has_address);
    }
}

static void v1_invalid_lines_are_rejected_on_the_earliest_byte(void **state)
{
    (void)state;
    static const struct {
        const char *line, *fault;
        size_t bad_at; /* bytes available when it is rejected */
    } rows[] = {
        {"GET / HTTP/1.1\r\n", "signature", 1},
        {"PROX\xd9 TCP4", "signature", 5},
        {"PROXY\tTCP4", "signature", 6},
        {"PROXY  TCP4", "v1_protocol", 7},
        {"PROXY tcp4", "v1_protocol", 7},
        {"PROXY TCP5 ", "v1_protocol", 10},
        {"PROXY TCP46", "v1_protocol", 11},
        {"PROXY UDP4 ", "v1_protocol", 8},
        {"PROXY TCP4\r\n", "v1_protocol", 11},
        {"PROXY UNKNOWNX", "v1_protocol", 14},
        {"PROXY UNKNOWN\n", "v1_protocol", 14},
        {"PROXY UNKNOWN\rX", "v1_line_end", 15},
        {"PROXY UNKNOWN\r\r\n", "v1_line_end", 15},
        {"PROXY TCP4  1.1.1.1", "v1_address", 12},
        {"PROXY TCP4 01.1.1.1", "v1_address", 13},
        {"PROXY TCP4 256.1.1.1", "v1_address", 14},
        {"PROXY TCP4 1..1.1", "v1_address", 14},
        {"PROXY TCP4 1.1.1 ", "v1_address", 17},
        {"PROXY TCP4 1.1.1.1.", "v1_address", 19},
        {"PROXY TCP4 1.1.1.1\t", "v1_address", 19},
        {"PROXY TCP4 ::1 ::1 1 2\r\n", "v1_address", 12},
        {"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", "v1_address", 21},
        {"PROXY TCP6 1.2.3.4 255.", "v1_address", 23},
        {"PROXY TCP6 1.2.3.4:", "v1_address", 19},
        {"PROXY TCP6 1.2.3 ", "v1_address", 17},
        {"PROXY TCP6 .", "v1_address", 12},
        {"PROXY TCP6 :.", "v1_address", 13},
        {"PROXY TCP6 ::.", "v1_address", 14},
        {"PROXY TCP6 256.", "v1_address", 15},
        {"PROXY TCP6 01.", "v1_address", 14},
        {"PROXY TCP6 00.", "v1_address", 14},
        {"PROXY TCP6 a.", "v1_address", 13},
        {"PROXY TCP6 1000.", "v1_address", 16},
        {"PROXY TCP6 1:2.", "v1_address", 15},
        {"PROXY TCP6 1:2:3:4:5:1.", "v1_address", 23},
        {"PROXY TCP6 1:2:3:4:5:6:7:1.", "v1_address", 27},
        {"PROXY TCP6 1:2:3:4:5::6:1.", "v1_address", 26},
        {"PROXY TCP6 ::ffff:1.2.3.256", "v1_address", 27},
        {"PROXY TCP6 ::ffff:1.2.3.04", "v1_address", 26},
        {"PROXY TCP6 ::ffff:1.2.3.4.", "v1_address", 26},
        {"PROXY TCP6 ::ffff:1.2.3.4:", "v1_address", 26},
        {"PROXY TCP6 ::ffff:1.2.3 ", "v1_address", 24},
        {"PROXY TCP4 ::ffff:1.2.3.4 1.2.3.4 1 2\r\n", "v1_address", 12},
        {"PROXY TCP6 :1", "v1_address", 13},
        {"PROXY TCP6 : ", "v1_address", 13},
        {"PROXY TCP6 1: ", "v1_address", 14},
        {"PROXY TCP6 1:2 ", "v1_address", 15},
        {"PROXY TCP6 :::", "v1_address", 14},
        {"PROXY TCP6 1::2::3", "v1_address", 17},
        {"PROXY TCP6 00001::", "v1_address", 16},
        {"PROXY TCP6 g::", "v1_address", 12},
        {"PROXY TCP6 fe80::1%eth0", "v1_address", 19},
        {"PROXY TCP6 1:2:3:4:5:6:7:8:", "v1_address", 27},
        {"PROXY TCP6 1:2:3:4:5:6:7::8", "v1_address", 27},
        {"PROXY TCP6 1::3:4:5:6:7:8:", "v1_address", 26},
        {"PROXY TCP4 1.1.1.1 ::1 1 2\r\n", "v1_address", 20},
        {"PROXY TCP4 1.1.1.1 2.2.2.2  1", "v1_port", 28},
        {"PROXY TCP4 1.1.1.1 2.2.2.2 00", "v1_port", 29},
        {"PROXY TCP4 1.1.1.1 2.2.2.2 65536", "v1_port", 32},
        {"PROXY TCP4 1.1.1.1 2.2.2.2 99999999999", "v1_port", 32},
        {"PROXY TCP4 1.1.1.1 2.2.2.2 -1", "v1_port", 28},
        {"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", "v1_port", 29},
        {"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 ", "v1_port", 31},
        {"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", "v1_port", 31},
        {"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rX", "v1_line_end", 32},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o = read_line(rows[i].line);
        print_message("%s\n", rows[i].line);
        assert_int_equal(o.result, PARSE_BAD);
        assert_string_equal(o.header.fault, rows[i].fault);
        assert_int_equal(o.decided_at, rows[i].bad_at);
    }
}

/* "PROXY UNKNOWN " and filler up to the CR LF, n bytes in total. */
static const uint8_t *long_line(uint8_t filler, size_t n)
{
    static uint8_t line[256];

    memset(line, filler, sizeof(line));
    memcpy(line, "PROXY UNKNOWN ", 14);
    memcpy(line + n - 2, "\r\n", 2);
    return line;
}

static void v1_lines_of_107_bytes_are_accepted_and_longer_ones_rejected(void **state)
{
    (void)state;
    const uint8_t fillers[] = {'f', '\r', '\n'};

    for (size_t i = 0; i < ARRAY_LEN(fillers); i++) {
        for (size_t n = 16; n <= 107; n++) {
            struct outcome o = read_in_all_ways(&guard, long_line(fillers[i], n), n);
            assert_int_equal(o.result, PARSE_DONE);
            assert_int_equal(o.next, n);
        }
        for (size_t n = 108; n <= 120; n++) {
            struct outcome o = read_in_all_ways(&guard, long_line(fillers[i], n), n);
            assert_int_equal(o.result, PARSE_BAD);
            assert_string_equal(o.header.fault, "v1_too_long");
            /*
             * The 106th byte must be the CR, the 107th the LF. In a line of 108 bytes the CR is
             * the 107th.
             */
            assert_int_equal(o.decided_at, fillers[i] == '\r' ? 107 : 106);
        }
    }
}

/* Dotted tails after six groups, which no sender writes, can make a line too long. */
static void v1_lines_too_long_because_of_dotted_tails_are_rejected(void **state)
{
    (void)state;
#define LONG6 "ffff:ffff:ffff:ffff:ffff:ffff:" /* and a dotted tail of up to 15 bytes */
    static const struct {
        const char *line;
        size_t bad_at; /* 0: accepted */
    } rows[] = {
        {"PROXY TCP6 " LONG6 "100.100.100.100 " LONG6 "100.100.100.10 0 0\r\n", 0}, /* 107 */
        {"PROXY TCP6 " LONG6 "100.100.100.100 " LONG6 "100.100.100.100 0 0\r\n", 102},
        {"PROXY TCP6 " LONG6 "100.100.100.100 " LONG6 "100.100.100.10 10 0\r\n", 104},
        {"PROXY TCP6 " LONG6 "100.100.100.100 " LONG6 "100.100.100.100X", 102},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o = read_line(rows[i].line);
        print_message("%s: %zu bytes, decided at %zu\n", rows[i].line, strlen(rows[i].line),
                      o.decided_at);
        assert_int_equal(o.result, rows[i].bad_at > 0 ? PARSE_BAD : PARSE_DONE);
        if (rows[i].bad_at == 0)
            continue;
        assert_string_equal(o.header.fault, "v1_too_long");
        assert_int_equal(o.decided_at, rows[i].bad_at);
    }
}

/* Each result must request at least one byte, otherwise the session would hang. */
static void v1_returns_the_minimum_number_of_bytes_to_come(void **state)
{
    (void)state;
    static const struct {
        const char *start;
        size_t next;
    } rows[] = {
        {"", 12},
        {"P", 14},
        {"PROXY ", 9},
        {"PROXY U", 8},
        {"PROXY UNKNOWN", 2},
        {"PROXY UNKNOWN\r", 1},
        {"PROXY UNKNOWN x", 2},
        {"PROXY UNKNOWN x\r", 1},
        {"PROXY T", 15},
        {"PROXY TCP", 13},
        {"PROXY TCP6", 12},
        {"PROXY TCP4", 22},
        {"PROXY TCP4 1", 20},
        {"PROXY TCP4 1.2.3.4 ", 13},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 ", 5},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 1", 4},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 1 2", 2},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r", 1},
        {"PROXY TCP6 1:2", 11},
        {"PROXY TCP6 1:2:3:4:5:6:7:", 10},
        {"PROXY TCP6 1:2:3:4:5:6:7:8", 9},
        {"PROXY TCP6 1::", 9},
        {"PROXY TCP6 :", 10},
        {"PROXY TCP6 ::ffff:1", 9},
        {"PROXY TCP6 ::ffff:1.", 14},
        {"PROXY TCP6 ::ffff:1.2.3.4", 9},
        {"PROXY TCP6 192", 11},
        {"PROXY TCP6 192.", 14},
        {"PROXY TCP6 1.2.3.4 ", 8},
        {"PROXY TCP6 :: ", 8},
        {"PROXY TCP6 :: 1.", 11},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o = read_line(rows[i].start);
        print_message("\"%s\"\n", rows[i].start);
        assert_int_equal(o.result, PARSE_MORE);
        assert_int_equal(o.next, rows[i].next);
    }
}

/*
 * For every prefix with the result MORE, some next byte brings the end one byte nearer. So the
 * number of bytes requested is the minimum, and every such prefix can be completed.
 */
static void assert_leads_to_an_end(const char *start)
{
    static const char bytes[] = "0: .PROXYTC6UNKW\r\n4";
    char line[PROXY_V1_MAX + 1];
    size_t n = strlen(start);
    struct outcome o = read_once((const uint8_t *)start, n);

    memcpy(line, start, n + 1);
    while (o.result == PARSE_MORE && n > 0) {
        struct outcome one_on = o;
        for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
            line[n] = bytes[i];
            one_on = read_once((const uint8_t *)line, n + 1);
            if (one_on.result == PARSE_DONE ||
                (one_on.result == PARSE_MORE && one_on.next < o.next))
                break;
        }
        assert_true(one_on.result == PARSE_DONE ? o.next == 1 : one_on.next == o.next - 1);
        o = one_on;
        n++;
    }
}

static void v1_rejects_a_line_as_soon_as_it_cannot_be_completed(void **state)
{
    (void)state;
    static const char alphabet[] = ":0f1.9 \rX";
    static const char *const starts[] = {"P", "PROXY ", "PROXY U", "PROXY UNKNOWN ", "PROXY TC"};
    uint32_t seed = 1;

    for (size_t i = 0; i < ARRAY_LEN(starts); i++)
        assert_leads_to_an_end(starts[i]);
    for (int round = 0; round < 20000; round++) {
        char line[PROXY_V1_MAX + 1];
        size_t n = (size_t)snprintf(line, sizeof(line), "PROXY TCP%c ", round & 1 ? '6' : '4');
        enum parse_result result = PARSE_MORE;
        for (int tries = 0; tries < 60 && result == PARSE_MORE; tries++) {
            seed = seed * 1103515245u + 12345u;
            line[n] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
            result = read_once((const uint8_t *)line, n + 1).result;
            /* An invalid byte is dropped, to get long prefixes. */
            n += result == PARSE_MORE;
            result = result == PARSE_BAD ? PARSE_MORE : result;
        }
        line[n] = '\0';
        assert_leads_to_an_end(line);
    }
}

static unsigned roll(uint32_t *seed, unsigned sides)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 16) % sides;
}

/*
 * Write n random characters of an address and an optional dotted tail, whose numbers are sometimes
 * invalid.
 */
static void write_random_address(uint32_t *seed, size_t n, bool with_tail, char ip[64])
{
    static const char alphabet[] = ":::0f1:ab9";

    for (size_t i = 0; i < n; i++)
        ip[i] = alphabet[roll(seed, sizeof(alphabet) - 1)];
    ip[n] = '\0';
    const unsigned numbers = with_tail ? (roll(seed, 8) > 0 ? 4 : 3 + roll(seed, 3)) : 0;
    for (unsigned i = 0; i < numbers; i++) {
        const char *format = roll(seed, 20) > 0 ? "%s%u" : "%s0%u";
        n += (size_t)snprintf(ip + n, 64 - n, format, i > 0 ? "." : "", roll(seed, 270));
    }
}

/* The C library decides which IPv6 addresses are valid. IPv4 addresses are accepted as well. */
static void v1_accepts_the_same_addresses_as_inet_pton(void **state)
{
    (void)state;
    uint32_t seed = 7;
    unsigned good[2] = {0};

    for (int round = 0; round < 600000; round++) {
        char ip[64], line[128];
        const bool with_tail = round % 2;
        write_random_address(&seed, with_tail ? roll(&seed, 14) : 1 + roll(&seed, 24), with_tail,
                             ip);
        int size = snprintf(line, sizeof(line), "PROXY TCP6 %s :: 1 2\r\n", ip);
        struct outcome o = read_once((const uint8_t *)line, (size_t)size);
        uint8_t expected[16] = {0};
        const bool is_ipv4 = inet_pton(AF_INET, ip, expected) == 1;
        const bool is_good = is_ipv4 || inet_pton(AF_INET6, ip, expected) == 1;
        if (o.result != (is_good ? PARSE_DONE : PARSE_BAD))
            fail_msg("%s: answer %d", ip, o.result);
        if (is_good) {
            assert_memory_equal(o.header.source.ip, expected, 16);
            assert_int_equal(o.header.source.is_ipv6, !is_ipv4);
        }
        good[with_tail] += is_good;
    }
    print_message("%u good addresses, and %u with a dotted tail\n", good[0], good[1]);
    assert_true(good[0] > 1000 && good[1] > 1000);
}

static void v1_does_not_read_bytes_after_the_line(void **state)
{
    (void)state;
    static const char line[] = "PROXY TCP4 1.2.3.4 5.6.7.8 1000 8883\r\n";
    static const char *const behind[] = {"\x10", "\r\n", "\n", "PROXY UNKNOWN\r\n", "\r\n\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(behind); i++) {
        char bytes[128];
        (void)snprintf(bytes, sizeof(bytes), "%s%s", line, behind[i]);
        struct outcome o = read_line(bytes);
        assert_int_equal(o.result, PARSE_DONE);
        assert_int_equal(o.next, strlen(line));
        assert_int_equal(o.decided_at, strlen(line));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v1_reads_addresses_and_ports_of_both_families),
        cmocka_unit_test(v1_unknown_has_no_address_for_any_rest_of_the_line),
        cmocka_unit_test(v1_invalid_lines_are_rejected_on_the_earliest_byte),
        cmocka_unit_test(v1_lines_of_107_bytes_are_accepted_and_longer_ones_rejected),
        cmocka_unit_test(v1_lines_too_long_because_of_dotted_tails_are_rejected),
        cmocka_unit_test(v1_returns_the_minimum_number_of_bytes_to_come),
        cmocka_unit_test(v1_rejects_a_line_as_soon_as_it_cannot_be_completed),
        cmocka_unit_test(v1_accepts_the_same_addresses_as_inet_pton),
        cmocka_unit_test(v1_does_not_read_bytes_after_the_line),
    };
    guard = guard_page_new(PROXY_INPUT_MAX);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    guard_page_free(&guard);
    return failed;
}
