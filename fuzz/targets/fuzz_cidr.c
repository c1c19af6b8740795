/*
 * fuzz_cidr.c - check invariants of address ranges.
 *
 * The input is a range as text, a zero byte, and addresses to look up.
 *
 *   - c-ares and strtoul() parse an accepted range as the same range
 *   - the parser returns the error for host bits if, and only if, host bits are the fault
 *   - formatting and parsing again returns the same range
 *   - a range contains its first and last address, but not the addresses before and after these
 *   - an address is in the range if its leading bits equal those of the range; an IPv4-mapped
 *     address is treated as IPv4
 */
#include <ares.h>
#include <arpa/inet.h>

#include "base/cidr.h"
#include "law.h"

#define INPUT_MAX 512u
#define TEXT_MAX  64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool parse(const char *text, struct cidr *out)
{
    struct cidr before;
    char *exact = (char *)exact_copy((const uint8_t *)text, strlen(text) + 1);

    memset(&before, 0xa5, sizeof(before));
    *out = before;
    bool good = cidr_parse(exact, out), host_bits = cidr_has_host_bits(exact);
    LAW(good || memcmp(&before, out, sizeof(before)) == 0);
    LAW(!good || !host_bits);
    free(exact);
    return good;
}

/* Return the bits of the address; of an IPv4-mapped address, only the IPv4 part. */
static bool bit_of(const uint8_t *ip, size_t bit)
{
    return ip[bit / 8] >> (7 - bit % 8) & 1;
}

static const uint8_t *unmapped(const uint8_t ip[16], bool *is_ipv6)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (!*is_ipv6 || memcmp(ip, mapped, sizeof(mapped)) != 0)
        return ip;
    *is_ipv6 = false;
    return ip + sizeof(mapped);
}

static bool second_contains(const struct cidr *range, const uint8_t ip[16], bool is_ipv6)
{
    ip = unmapped(ip, &is_ipv6);
    bool inside = range->is_ipv6 == is_ipv6;
    for (size_t bit = 0; inside && bit < range->bits; bit++)
        inside = bit_of(ip, bit) == bit_of(range->ip, bit);
    return inside;
}

/* Add or subtract one. Return false if the address overflows. */
static bool step(uint8_t *ip, size_t n, bool up)
{
    while (n-- > 0) {
        ip[n] = (uint8_t)(ip[n] + (up ? 1 : -1));
        if (ip[n] != (up ? 0 : 0xff))
            return true;
    }
    return false;
}

static void it_ends_where_it_ends(const struct cidr *range)
{
    const size_t n = range->is_ipv6 ? 16 : 4;
    uint8_t first[16], last[16];

    memcpy(first, range->ip, sizeof(first));
    memcpy(last, range->ip, sizeof(last));
    for (size_t bit = range->bits; bit < 8 * n; bit++) {
        LAW(!bit_of(first, bit));
        last[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    }
    bool mapped = range->is_ipv6, last_mapped = range->is_ipv6;
    (void)unmapped(first, &mapped);
    (void)unmapped(last, &last_mapped);
    LAW(cidr_contains(range, 1, first, range->is_ipv6) == (mapped == range->is_ipv6));
    LAW(cidr_contains(range, 1, last, range->is_ipv6) == (last_mapped == range->is_ipv6));
    if (step(first, n, false))
        LAW(!cidr_contains(range, 1, first, range->is_ipv6));
    if (step(last, n, true))
        LAW(!cidr_contains(range, 1, last, range->is_ipv6));
    LAW(!cidr_contains(range, 0, range->ip, range->is_ipv6));
}

static void it_reads_the_same_again(const struct cidr *range)
{
    char ip[INET6_ADDRSTRLEN], text[TEXT_MAX];
    struct cidr again;

    LAW(range->bits <= (range->is_ipv6 ? 128 : 32));
    LAW(inet_ntop(range->is_ipv6 ? AF_INET6 : AF_INET, range->ip, ip, sizeof(ip)) != NULL);
    (void)snprintf(text, sizeof(text), "%s/%u", ip, (unsigned)range->bits);
    LAW(parse(text, &again) && memcmp(&again, range, sizeof(again)) == 0);
    bool alone = range->bits == (range->is_ipv6 ? 128 : 32);
    LAW(parse(ip, &again) == (alone || again.bits != 0xa5));
    LAW(!alone || memcmp(&again, range, sizeof(again)) == 0);
}

/* c-ares parses the address, and strtoul() the length, which must be in its shortest form. */
static void second_reader_agrees(const char *text, const struct cidr *range)
{
    bool is_ipv6 = strchr(text, ':') != NULL;
    const bool written_ipv6 = is_ipv6;
    char ip_text[TEXT_MAX], again[TEXT_MAX + 24];
    uint8_t ip[16] = {0};
    size_t n = strcspn(text, "/");

    LAW(strlen(text) < sizeof(ip_text));
    memcpy(ip_text, text, n);
    ip_text[n] = '\0';
    LAW(ares_inet_pton(is_ipv6 ? AF_INET6 : AF_INET, ip_text, ip) == 1);
    unsigned long bits = text[n] ? strtoul(text + n + 1, NULL, 10) : is_ipv6 ? 128 : 32;
    (void)snprintf(again, sizeof(again), "%s/%lu", ip_text, bits);
    LAW(text[n] == '\0' || strcmp(again, text) == 0);
    const uint8_t *same = unmapped(ip, &is_ipv6);
    LAW(range->is_ipv6 == is_ipv6);
    LAW(range->bits == bits - (written_ipv6 && !is_ipv6 ? 96 : 0));
    LAW(memcmp(range->ip, same, is_ipv6 ? 16 : 4) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cidr range;

    if (size > INPUT_MAX)
        return 0;
    char *text = exact_text(data, size);
    if (parse(text, &range)) {
        second_reader_agrees(text, &range);
        it_reads_the_same_again(&range);
        it_ends_where_it_ends(&range);
        for (size_t at = strlen(text) + 1; at + 16 <= size; at += 16) {
            const uint8_t *ip = data + at;
            LAW(cidr_contains(&range, 1, ip, true) == second_contains(&range, ip, true));
            LAW(cidr_contains(&range, 1, ip, false) == second_contains(&range, ip, false));
        }
    }
    free(text);
    return 0;
}
