/*
 * fuzz_proxy_read.c - check invariants of the PROXY header parser.
 *
 * The input is what a balancer sends, with or without bytes after the header (captures can be
 * seeds). The parser is stateless, so parsing all prefixes covers every way to split the input.
 *
 *   - once a prefix is accepted or rejected, further bytes do not change the result
 *   - a caller that always reads the requested number of bytes reads exactly the header, even if
 *     reads are short
 *   - the results BAD and DONE are final
 *   - an incomplete line can be completed with the number of bytes that the parser requests
 *   - a header does not exceed the limit of its version, and contains all of the returned facts
 *   - there is no common name without a verified certificate, and no TLS fact without TLS
 *   - the addresses are the same after our writers have written them and they are parsed again
 */
#include "law.h"
#include "wire/proxy/read.h"

#define INPUT_MAX (2 * PROXY_READ_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The result, and the bytes that it points into. */
struct outcome {
    enum parse_result result;
    size_t next;
    struct proxy_header header;
    uint8_t *bytes; /* owned */
};

static struct outcome read_copy(const uint8_t *data, size_t n)
{
    struct outcome o = {.bytes = exact_copy(data, n)};

    o.result = proxy_read(span_of(o.bytes, n), &o.header, &o.next);
    LAW((o.result == PARSE_BAD) == (o.header.fault != NULL));
    LAW((o.result == PARSE_BAD) == (o.next == 0));
    LAW(o.result != PARSE_DONE || o.next <= n);
    LAW(o.result != PARSE_MORE || n + o.next <= PROXY_READ_MAX);
    return o;
}

static bool same_span(const struct outcome *a, struct span in_a, const struct outcome *b,
                      struct span in_b)
{
    if (!in_a.p || !in_b.p)
        return in_a.p == in_b.p;
    return in_a.n == in_b.n && in_a.p - a->bytes == in_b.p - b->bytes;
}

static bool same_endpoint(const struct proxy_endpoint *a, const struct proxy_endpoint *b)
{
    return a->is_ipv6 == b->is_ipv6 && a->port_be == b->port_be && memcmp(a->ip, b->ip, 16) == 0;
}

static void same_facts(const struct outcome *a, const struct outcome *b)
{
    const struct proxy_facts *f = &a->header.facts, *g = &b->header.facts;

    LAW(a->header.version == b->header.version);
    LAW(a->header.has_address == b->header.has_address);
    LAW(same_endpoint(&a->header.source, &b->header.source));
    LAW(same_endpoint(&a->header.destination, &b->header.destination));
    LAW(f->crc32c == g->crc32c && f->has_tls == g->has_tls && f->verified == g->verified);
    LAW(f->client_cert_conn == g->client_cert_conn && f->client_cert_sess == g->client_cert_sess);
    LAW(same_span(a, f->alpn, b, g->alpn) && same_span(a, f->authority, b, g->authority));
    LAW(same_span(a, f->unique_id, b, g->unique_id));
    LAW(same_span(a, f->tls_version, b, g->tls_version));
    LAW(same_span(a, f->tls_cn, b, g->tls_cn) && same_span(a, f->tls_cipher, b, g->tls_cipher));
    LAW(same_span(a, f->tls_sig_alg, b, g->tls_sig_alg));
    LAW(same_span(a, f->tls_key_alg, b, g->tls_key_alg));
}

static void same_answer(const struct outcome *a, const struct outcome *b)
{
    LAW(a->result == b->result);
    if (a->result == PARSE_BAD)
        LAW(strcmp(a->header.fault, b->header.fault) == 0);
    else
        LAW(a->next == b->next);
    if (a->result == PARSE_DONE)
        same_facts(a, b);
}

/* Test all prefixes of a short input, and some of a long one. */
static void split_equals_whole(const struct outcome *whole, const uint8_t *data, size_t size,
                               struct dice *dice)
{
    size_t step_max = size / 128 + 1;
    bool decided = false;

    for (size_t n = 0; n < size; n += 1 + dice_roll(dice, step_max)) {
        struct outcome o = read_copy(data, n);
        LAW(!decided || o.result != PARSE_MORE);
        decided = o.result != PARSE_MORE;
        if (decided)
            same_answer(&o, whole);
        else if (whole->result == PARSE_DONE)
            LAW(n + o.next <= whole->next);
        free(o.bytes);
    }
}

/* Read in the same way as a session, from a socket that receives exactly `size` bytes. */
static void exact_reads_stop_at_the_end(const struct outcome *whole, const uint8_t *data,
                                        size_t size, struct dice *dice)
{
    size_t chunk_max = dice_roll(dice, 2) == 0 ? PROXY_READ_MAX : 1 + dice_roll(dice, 40);
    size_t have = 0;
    struct outcome o = read_copy(data, 0);

    while (o.result == PARSE_MORE && have < size) {
        have += size_min(size_min(o.next, chunk_max), size - have);
        free(o.bytes);
        o = read_copy(data, have);
    }
    same_answer(&o, whole);
    LAW(o.result != PARSE_DONE || have == whole->next);
    free(o.bytes);
}

static void what_follows_changes_nothing(const struct outcome *whole, const uint8_t *data,
                                         size_t size, struct dice *dice)
{
    size_t extra = 1 + dice_roll(dice, 64);
    uint8_t *longer = exact_new(size + extra);

    if (size > 0)
        memcpy(longer, data, size);
    for (size_t i = 0; i < extra; i++)
        longer[size + i] = (uint8_t)dice_roll(dice, 256);
    struct outcome o = read_copy(longer, size + extra);
    same_answer(&o, whole);
    free(o.bytes);
    free(longer);
}

/* Complete an incomplete line, byte by byte. */
static void a_line_can_end(const struct outcome *whole, const uint8_t *data, size_t size)
{
    static const char bytes[] = "0: .PROXYTC46UNKW\r\n";
    uint8_t line[PROXY_V1_MAX];
    size_t next = whole->next;

    LAW(size + next <= PROXY_V1_MAX);
    memcpy(line, data, size);
    for (; next > 0; next--, size++) {
        bool nearer = false;
        for (size_t i = 0; i < sizeof(bytes) - 1 && !nearer; i++) {
            line[size] = (uint8_t)bytes[i];
            struct outcome o = read_copy(line, size + 1);
            nearer =
                next == 1 ? o.result == PARSE_DONE : o.result == PARSE_MORE && o.next == next - 1;
            free(o.bytes);
        }
        LAW(nearer);
    }
}

static bool is_inside(const struct outcome *o, struct span value)
{
    if (!value.p)
        return value.n == 0;
    return value.p >= o->bytes + 16 && value.p + value.n <= o->bytes + o->next;
}

static void what_it_says_lies_inside(const struct outcome *o)
{
    const struct proxy_facts *f = &o->header.facts;
    const struct span values[] = {f->alpn,   f->authority,  f->unique_id,   f->tls_version,
                                  f->tls_cn, f->tls_cipher, f->tls_sig_alg, f->tls_key_alg};

    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        LAW(is_inside(o, values[i]) && (o->header.version == 2 || !values[i].p));
    LAW(f->unique_id.n <= 128);
    LAW(!f->verified || f->client_cert_conn || f->client_cert_sess);
    LAW(!f->tls_cn.p || f->verified);
    for (size_t i = 3; i < ARRAY_LEN(values); i++)
        LAW(f->has_tls || !values[i].p);
    LAW(f->has_tls || (!f->client_cert_conn && !f->client_cert_sess));
    LAW(o->header.has_address || (!o->header.source.port_be && !o->header.destination.port_be));
}

/* Convert an IPv4-mapped address to IPv4. */
static struct proxy_endpoint unmapped(const struct proxy_endpoint *end)
{
    struct proxy_endpoint ipv4 = {.port_be = end->port_be};

    if (!end->is_ipv6 || memcmp(end->ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) != 0)
        return *end;
    memcpy(ipv4.ip, end->ip + 12, 4);
    return ipv4;
}

static void reads_back_as(const uint8_t *out, size_t n, unsigned version, const struct outcome *o)
{
    const struct proxy_endpoint source = unmapped(&o->header.source);
    const struct proxy_endpoint destination = unmapped(&o->header.destination);
    struct outcome again = read_copy(out, n);
    const struct proxy_endpoint source_again = unmapped(&again.header.source);
    const struct proxy_endpoint destination_again = unmapped(&again.header.destination);

    LAW(again.result == PARSE_DONE && again.next == n && again.header.version == version);
    LAW(again.header.source.is_ipv6 == again.header.destination.is_ipv6);
    LAW(again.header.source.is_ipv6 == (source.is_ipv6 || destination.is_ipv6));
    LAW(same_endpoint(&source_again, &source) && same_endpoint(&destination_again, &destination));
    LAW(version == 1 || again.header.facts.verified == o->header.facts.verified);
    free(again.bytes);
}

/* Our writers need one family for both ends: IPv4, unless an end is IPv6 and not IPv4-mapped. */
static void addresses_can_be_written_again(const struct outcome *o)
{
    const struct proxy_endpoint *source = &o->header.source, *destination = &o->header.destination;
    uint8_t out[PROXY_V2_MAX];

    if (!o->header.has_address)
        return;
    LAW(source->is_ipv6 == destination->is_ipv6 || o->header.version == 1);
    size_t n = proxy_v1_write(source, destination, out);
    reads_back_as(out, n, 1, o);
    n = proxy_v2_write(source, destination, &o->header.facts, out);
    reads_back_as(out, n, 2, o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dice dice = dice_from(data, size);

    if (size > INPUT_MAX)
        return 0;
    struct outcome whole = read_copy(data, size);
    split_equals_whole(&whole, data, size, &dice);
    exact_reads_stop_at_the_end(&whole, data, size, &dice);
    if (whole.result != PARSE_MORE)
        what_follows_changes_nothing(&whole, data, size, &dice);
    else if (size > 0 && data[0] == 'P')
        a_line_can_end(&whole, data, size);
    if (whole.result == PARSE_DONE) {
        LAW(whole.header.version == 1 ? whole.next >= 15 && whole.next <= PROXY_V1_MAX
                                      : whole.next >= 16 && whole.next <= PROXY_READ_MAX);
        what_it_says_lies_inside(&whole);
        addresses_can_be_written_again(&whole);
    }
    free(whole.bytes);
    return 0;
}
