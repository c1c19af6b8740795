/*
 * fuzz_address.c - check invariants of addresses and endpoints as text.
 *
 * The input is an address or an endpoint as text, as in a configuration, a DNS answer or a header
 * of a trusted proxy.
 *
 *   - an endpoint is an address or the path of a Unix socket, and both parsers agree on its kind
 *   - c-ares parses the host of an accepted address as the same address
 *   - formatting and parsing again returns the same address, except that an IPv4-mapped address
 *     becomes IPv4
 *   - port 0 is accepted only if it is allowed, and this option affects nothing else
 *   - if the input is rejected, the output is unchanged
 */
#include <ares.h>
#include <arpa/inet.h>

#include "law.h"
#include "net/endpoint.h"

#define INPUT_MAX 256u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_untouched(const void *p, size_t n)
{
    const uint8_t *bytes = p;

    for (size_t i = 0; i < n; i++)
        if (bytes[i] != 0xa5)
            return false;
    return true;
}

/* c-ares parses the host, without port and brackets, as the same address. */
static void c_ares_agrees(const char *text, size_t n, const struct address *a)
{
    const bool bracketed = n >= 2 && text[0] == '[' && text[n - 1] == ']';
    const int family = a->sa.sa_family;
    char host[INET6_ADDRSTRLEN];
    uint8_t ip[16] = {0};

    if (bracketed)
        text++, n -= 2;
    LAW(n < sizeof(host) && (family == AF_INET || family == AF_INET6));
    memcpy(host, text, n);
    host[n] = '\0';
    if (family == AF_INET && (n == 0 || strcmp(host, "*") == 0)) {
        LAW(a->in.sin_addr.s_addr == htonl(INADDR_ANY));
        return;
    }
    LAW(ares_inet_pton(family, host, ip) == 1);
    if (family == AF_INET)
        LAW(memcmp(ip, &a->in.sin_addr, 4) == 0);
    else
        LAW(memcmp(ip, &a->in6.sin6_addr, 16) == 0);
}

static void it_reads_the_same_again(const struct address *a)
{
    char text[ADDRESS_TEXT_MAX], host[ADDRESS_TEXT_MAX];
    struct address plain = address_unmap(a), again;

    LAW(address_parse(address_format(a, text), true, &again) && address_equal(&again, &plain));
    LAW(address_port(&again) == address_port(a) && address_len(&again) > 0);
    LAW(address_parse_host(address_format_host(a, host), &again) && address_port(&again) == 0);
    LAW(strstr(text, host) != NULL);
}

static bool parse_address(const char *text, struct address *a)
{
    struct address strict;

    memset(a, 0xa5, sizeof(*a));
    memset(&strict, 0xa5, sizeof(strict));
    bool good = address_parse(text, true, a), strictly = address_parse(text, false, &strict);
    LAW(strictly == (good && address_port(a) != 0));
    LAW(good || is_untouched(a, sizeof(*a)));
    LAW(strictly ? address_equal(a, &strict) : is_untouched(&strict, sizeof(strict)));
    if (good) {
        c_ares_agrees(text, (size_t)(strrchr(text, ':') - text), a);
        it_reads_the_same_again(a);
    }
    return good;
}

static void parse_host(const char *text)
{
    struct address a;

    memset(&a, 0xa5, sizeof(a));
    bool good = address_parse_host(text, &a);
    LAW(good || is_untouched(&a, sizeof(a)));
    LAW(!good || address_port(&a) == 0);
    if (good) {
        c_ares_agrees(text, strlen(text), &a);
        it_reads_the_same_again(&a);
    }
}

static void parse_endpoint(const char *text, const struct address *address)
{
    struct endpoint e, again;
    char written[ENDPOINT_TEXT_MAX];

    memset(&e, 0xa5, sizeof(e));
    bool good = endpoint_parse(text, true, &e), is_unix = strncmp(text, "unix:", 5) == 0;
    LAW(good || is_untouched(&e, sizeof(e)));
    if (!is_unix)
        LAW(good == (address != NULL) && (!good || address_equal(&e.address, address)));
    else
        LAW(good == (text[5] != '\0' && strlen(text + 5) < sizeof(e.un.sun_path)));
    if (!good)
        return;
    LAW(endpoint_is_unix(&e) == is_unix && endpoint_len(&e) <= sizeof(e));
    LAW(endpoint_parse(endpoint_format(&e, written), true, &again));
    if (is_unix)
        LAW(strcmp(written, text) == 0 && endpoint_equal(&e, &again));
    LAW(endpoint_equal(&e, &e));
}

/* Addresses whose text cannot be parsed: no address, and an unnamed Unix peer. */
static void what_is_no_address_has_words(const struct address *other)
{
    const struct address none = {.sa = {.sa_family = AF_UNSPEC}};
    const struct address nameless = {.sa = {.sa_family = AF_UNIX}};
    char text[ADDRESS_TEXT_MAX];
    struct address a;

    LAW(strcmp(address_format(&none, text), "unknown") == 0 && !address_parse(text, true, &a));
    LAW(strcmp(address_format(&nameless, text), "unix") == 0 && !address_parse_host(text, &a));
    LAW(address_port(&none) == 0 && address_len(&none) == 0);
    LAW(address_equal(&none, &none) && !address_equal(&none, &nameless));
    LAW(!other || !address_equal(&none, other));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct address address;

    if (size > INPUT_MAX)
        return 0;
    char *text = exact_text(data, size);
    char *exact = (char *)exact_copy((const uint8_t *)text, strlen(text) + 1);
    bool is_address = parse_address(exact, &address);
    parse_endpoint(exact, is_address ? &address : NULL);
    parse_host(exact);
    what_is_no_address_has_words(is_address ? &address : NULL);
    free(exact);
    free(text);
    return 0;
}
