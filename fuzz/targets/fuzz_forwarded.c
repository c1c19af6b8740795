/*
 * fuzz_forwarded.c - check invariants of the search for the device's address in X-Forwarded-For.
 *
 * The input is a header value. The trusted proxies are 10.0.0.0/8, 127.0.0.1 and 2001:db8::/32.
 *
 *   - the result agrees with a second parser, which works from left to right and parses addresses
 *     with its own code
 *   - text to the left of a selected, untrusted address does not affect the result
 *   - the selected address is selected again in each allowed notation
 *   - blanks, empty entries, and an entry of a trusted proxy added on the right do not affect the
 *     result
 *   - if there is no result, the output is unchanged
 */
#include <arpa/inet.h>

#include "law.h"
#include "model/forwarded.h"

#define INPUT_MAX 2048u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct cidr trusted[] = {
    {.ip = {10}, .bits = 8},
    {.ip = {127, 0, 0, 1}, .bits = 32},
    {.is_ipv6 = true, .ip = {0x20, 0x01, 0x0d, 0xb8}, .bits = 32},
};
#define TRUSTED_N (sizeof(trusted) / sizeof(trusted[0]))

struct outcome {
    bool picked;
    struct proxy_endpoint address;
};

static struct outcome pick(const uint8_t *data, size_t n)
{
    struct outcome o;
    struct proxy_endpoint before;
    uint8_t *exact = exact_copy(data, n);

    memset(&before, 0xa5, sizeof(before));
    memset(&o.address, 0xa5, sizeof(o.address));
    o.picked = forwarded_pick(span_of(exact, n), trusted, TRUSTED_N, &o.address);
    LAW(o.picked || memcmp(&before, &o.address, sizeof(before)) == 0);
    free(exact);
    return o;
}

static bool same_endpoint(const struct proxy_endpoint *a, const struct proxy_endpoint *b)
{
    return a->is_ipv6 == b->is_ipv6 && a->port_be == b->port_be && memcmp(a->ip, b->ip, 16) == 0;
}

static bool same_answer(const struct outcome *a, const struct outcome *b)
{
    return a->picked == b->picked && (!a->picked || same_endpoint(&a->address, &b->address));
}

/* ---- a second parser -------------------------------------------------------------------- */

/* Parse four numbers in the form that snprintf() would write. */
static bool second_ipv4(const char *text, uint8_t *out)
{
    unsigned b[4];
    char again[16];

    if (strlen(text) >= sizeof(again) || sscanf(text, "%u.%u.%u.%u", b, b + 1, b + 2, b + 3) != 4)
        return false;
    for (size_t i = 0; i < 4; i++)
        out[i] = (uint8_t)b[i];
    (void)snprintf(again, sizeof(again), "%u.%u.%u.%u", out[0], out[1], out[2], out[3]);
    return strcmp(text, again) == 0;
}

/*
 * Parse the groups on one side of "::". The last one is IPv4 if it has a dot. Return the number of
 * bytes, or -1.
 */
static int second_groups(char *text, bool is_tail, uint8_t out[16])
{
    int n = 0;

    for (char *group = text, *next; group && *text; group = next) {
        next = strchr(group, ':');
        if (next)
            *next++ = '\0';
        if (is_tail && !next && strchr(group, '.') && n <= 12)
            return second_ipv4(group, out + n) ? n + 4 : -1;
        size_t digits = strspn(group, "0123456789abcdefABCDEF");
        if ((next && *next == '\0') || digits == 0 || digits > 4 || group[digits] != '\0' || n > 14)
            return -1;
        unsigned long value = strtoul(group, NULL, 16);
        out[n++] = (uint8_t)(value >> 8);
        out[n++] = (uint8_t)value;
    }
    return n;
}

static bool second_ipv6(const char *text, uint8_t out[16])
{
    char *copy = (char *)exact_copy((const uint8_t *)text, strlen(text) + 1);
    char *gap = strstr(copy, "::");
    uint8_t left[16] = {0}, right[16] = {0};

    if (gap)
        *gap = '\0';
    int left_n = second_groups(copy, !gap, left);
    int right_n = gap ? second_groups(gap + 2, true, right) : 0;
    free(copy);
    if (left_n < 0 || right_n < 0 || (gap ? left_n + right_n > 14 : left_n != 16))
        return false;
    memset(out, 0, 16);
    memcpy(out, left, (size_t)left_n);
    memcpy(out + 16 - right_n, right, (size_t)right_n);
    return true;
}

static bool second_ip(const char *text, struct proxy_endpoint *out)
{
    *out = (struct proxy_endpoint){.is_ipv6 = strchr(text, ':') != NULL};
    return out->is_ipv6 ? second_ipv6(text, out->ip) : second_ipv4(text, out->ip);
}

static bool second_port(const char *text, struct proxy_endpoint *out)
{
    unsigned port;
    char again[16];

    if (strlen(text) > 5 || sscanf(text, "%u", &port) != 1 || port > 65535)
        return false;
    (void)snprintf(again, sizeof(again), "%u", port);
    out->port_be = htons((uint16_t)port);
    return strcmp(text, again) == 0;
}

/* Parse an entry, which is terminated and has no blanks around it. Modifies the entry. */
static bool second_entry(char *text, struct proxy_endpoint *out)
{
    char *close = strchr(text, ']'), *colon = strchr(text, ':');

    if (text[0] == '[') {
        if (!close || (close[1] != '\0' && close[1] != ':'))
            return false;
        bool has_port = close[1] == ':';
        *close = '\0';
        return strchr(text, ':') && second_ip(text + 1, out) &&
               (!has_port || second_port(close + 2, out));
    }
    if (!colon || strchr(colon + 1, ':'))
        return second_ip(text, out);
    *colon = '\0';
    return second_ip(text, out) && second_port(colon + 1, out);
}

static bool second_trusts(const struct proxy_endpoint *end)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *ip = end->ip;
    bool is_ipv6 = end->is_ipv6;

    if (is_ipv6 && memcmp(ip, mapped, sizeof(mapped)) == 0) {
        ip += sizeof(mapped);
        is_ipv6 = false;
    }
    if (is_ipv6)
        return memcmp(ip, "\x20\x01\x0d\xb8", 4) == 0;
    return ip[0] == 10 || memcmp(ip, "\x7f\0\0\1", 4) == 0;
}

/*
 * Work from left to right: if an entry is an untrusted address or invalid, all entries before it
 * can be forged. A trusted address does not change the result so far.
 */
static void second_takes(struct outcome *o, const char *p, size_t n, bool *spoilt)
{
    while (n > 0 && (*p == ' ' || *p == '\t'))
        p++, n--;
    while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
        n--;
    if (n == 0)
        return;
    char *text = (char *)exact_new(n + 1);
    struct proxy_endpoint end;
    memcpy(text, p, n);
    text[n] = '\0';
    if (memchr(text, '\0', n) || !second_entry(text, &end)) {
        o->picked = false;
        *spoilt = true;
    } else if (!second_trusts(&end) || (!o->picked && !*spoilt)) {
        o->picked = true;
        o->address = end;
        *spoilt = false;
    }
    free(text);
}

static void second_reader_agrees(const struct outcome *o, const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    struct outcome second = {.picked = false};
    bool spoilt = false;
    size_t start = 0;

    for (size_t at = 0; at <= size; at++) {
        if (at < size && p[at] != ',')
            continue;
        second_takes(&second, p + start, at - start, &spoilt);
        start = at + 1;
    }
    LAW(same_answer(o, &second));
}

/* ---- variants of the list ----------------------------------------------------------------- */

static struct outcome pick_joined(const void *left, size_t left_n, const void *right,
                                  size_t right_n)
{
    uint8_t *joined = exact_new(left_n + right_n);

    memcpy(joined, left, left_n);
    memcpy(joined + left_n, right, right_n);
    struct outcome o = pick(joined, left_n + right_n);
    free(joined);
    return o;
}

static void the_right_end_decides(const struct outcome *o, const uint8_t *data, size_t size)
{
    static const char *const before[] = {"192.0.2.7,", "unknown,", "\0\xff,", ",", "[::1]:9,"};
    static const char *const behind[] = {",10.1.2.3", " , 127.0.0.1:80", ",[2001:db8::5] ,\t",
                                         ", ::ffff:10.0.0.1 ", ","};

    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        if (!o->picked || second_trusts(&o->address))
            break; /* if all are trusted, the leftmost one is selected */
        struct outcome more = pick_joined(before[i], strlen(before[i]), data, size);
        LAW(same_answer(&more, o));
    }
    if (!o->picked)
        return;
    for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]); i++) {
        struct outcome more = pick_joined(data, size, behind[i], strlen(behind[i]));
        LAW(same_answer(&more, o));
    }
}

/* A list that contains only this text selects this address and port. */
static void says(const char *text, const struct outcome *o, uint16_t port_be)
{
    struct outcome want = *o, again = pick((const uint8_t *)text, strlen(text));

    want.address.port_be = port_be;
    LAW(same_answer(&again, &want));
}

static void every_form_says_the_same(const struct outcome *o)
{
    const struct proxy_endpoint *end = &o->address;
    const char *open = end->is_ipv6 ? "[" : "", *close = end->is_ipv6 ? "]" : "";
    char ip[INET6_ADDRSTRLEN], text[80];

    LAW(inet_ntop(end->is_ipv6 ? AF_INET6 : AF_INET, end->ip, ip, sizeof(ip)) != NULL);
    (void)snprintf(text, sizeof(text), "%s%s%s:%u", open, ip, close, (unsigned)ntohs(end->port_be));
    says(text, o, end->port_be);
    (void)snprintf(text, sizeof(text), "%s%s%s", open, ip, close);
    says(text, o, 0);
    (void)snprintf(text, sizeof(text), " \t%s ", ip);
    says(text, o, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > INPUT_MAX)
        return 0;
    struct outcome o = pick(data, size);
    second_reader_agrees(&o, data, size);
    the_right_end_decides(&o, data, size);
    if (o.picked)
        every_form_says_the_same(&o);
    return 0;
}
