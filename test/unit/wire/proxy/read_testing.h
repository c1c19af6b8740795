/*
 * read_testing.h - pass one input to the PROXY reader in every way it can arrive.
 */
#ifndef UNIT_WIRE_PROXY_READ_TESTING_H
#define UNIT_WIRE_PROXY_READ_TESTING_H

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "guard_page.h"
#include "hex.h"
#include "unit.h"
#include "wire/proxy/read.h"

#define PROXY_INPUT_MAX (2 * PROXY_READ_MAX)

/* The outcome of an input. */
struct outcome {
    enum parse_result result;
    size_t decided_at;          /* bytes available when the result was known; for MORE: all */
    size_t next;                /* DONE: the header's size; MORE: how many more */
    struct proxy_header header; /* its spans point into the input */
};

static inline void assert_same_span(struct span a, const uint8_t *in_a, struct span b,
                                    const uint8_t *in_b)
{
    assert_int_equal(a.p != NULL, b.p != NULL);
    assert_int_equal(a.n, b.n);
    if (a.p)
        assert_int_equal(a.p - in_a, b.p - in_b);
}

static inline void assert_same_endpoint(const struct proxy_endpoint *a,
                                        const struct proxy_endpoint *b)
{
    assert_int_equal(a->is_ipv6, b->is_ipv6);
    assert_memory_equal(a->ip, b->ip, 16);
    assert_int_equal(a->port_be, b->port_be);
}

/* Two readings of the same bytes, stored at in_a and in_b, must have the same outcome. */
static inline void assert_same_header(const struct proxy_header *a, const uint8_t *in_a,
                                      const struct proxy_header *b, const uint8_t *in_b)
{
    const struct proxy_facts *f = &a->facts, *g = &b->facts;

    assert_int_equal(a->version, b->version);
    assert_int_equal(a->has_address, b->has_address);
    assert_same_endpoint(&a->source, &b->source);
    assert_same_endpoint(&a->destination, &b->destination);
    assert_int_equal(f->crc32c, g->crc32c);
    assert_int_equal(f->has_tls, g->has_tls);
    assert_int_equal(f->client_cert_conn, g->client_cert_conn);
    assert_int_equal(f->client_cert_sess, g->client_cert_sess);
    assert_int_equal(f->verified, g->verified);
    assert_same_span(f->alpn, in_a, g->alpn, in_b);
    assert_same_span(f->authority, in_a, g->authority, in_b);
    assert_same_span(f->unique_id, in_a, g->unique_id, in_b);
    assert_same_span(f->tls_version, in_a, g->tls_version, in_b);
    assert_same_span(f->tls_cn, in_a, g->tls_cn, in_b);
    assert_same_span(f->tls_cipher, in_a, g->tls_cipher, in_b);
    assert_same_span(f->tls_sig_alg, in_a, g->tls_sig_alg, in_b);
    assert_same_span(f->tls_key_alg, in_a, g->tls_key_alg, in_b);
}

/* Read the n bytes at p in one call. */
static inline struct outcome read_once(const uint8_t *p, size_t n)
{
    struct outcome o = {.decided_at = n};

    o.result = proxy_read(span_of(p, n), &o.header, &o.next);
    if (o.result == PARSE_BAD)
        assert_non_null(o.header.fault);
    else
        assert_null(o.header.fault);
    return o;
}

/*
 * Read as a session does from a socket that gives `chunk` bytes at a time at the most: never more
 * than the reader requests. It must read the whole header and nothing after it.
 */
static inline void read_exactly(const struct guard_page *guard, const uint8_t *p, size_t n,
                                size_t chunk, const struct outcome *whole)
{
    size_t have = 0;
    const uint8_t *at = NULL;
    struct outcome o = {.result = PARSE_MORE};

    for (;;) {
        at = guard_page_put(guard, p, have);
        o = read_once(at, have);
        if (o.result != PARSE_MORE || have == n)
            break;
        assert_true(o.next > 0 && have + o.next <= PROXY_READ_MAX);
        have += size_min(size_min(o.next, chunk), n - have);
    }
    assert_int_equal(o.result, whole->result);
    if (o.result == PARSE_DONE) {
        assert_int_equal(have, o.next);
        assert_int_equal(o.next, whole->next);
        const uint8_t *again = guard_page_put(guard, p, n);
        struct outcome all = read_once(again, n);
        assert_same_header(&o.header, at, &all.header, again);
    }
    if (o.result == PARSE_BAD)
        assert_string_equal(o.header.fault, whole->header.fault);
}

/*
 * Read the input whole, as each of its prefixes (the reader keeps no state between calls, so this
 * covers every split), and as a session does. All must agree. Returns the outcome of the whole
 * input, with the length of the shortest prefix that has it.
 */
static inline struct outcome read_in_all_ways(const struct guard_page *guard, const uint8_t *p,
                                              size_t n)
{
    struct outcome whole = read_once(guard_page_put(guard, p, n), n);

    whole.decided_at = n;
    for (size_t have = 0; have < n; have++) {
        struct outcome o = read_once(guard_page_put(guard, p, have), have);
        if (o.result == PARSE_MORE) {
            assert_int_equal(whole.decided_at, n); /* the result is final */
            if (whole.result == PARSE_DONE)
                assert_true(have + o.next <= whole.next);
            continue;
        }
        whole.decided_at = size_min(whole.decided_at, have);
        assert_int_equal(o.result, whole.result);
        if (o.result == PARSE_DONE)
            assert_int_equal(o.next, whole.next);
        else
            assert_string_equal(o.header.fault, whole.header.fault);
    }
    for (size_t chunk = 1; chunk <= n + 1; chunk += chunk < 20 ? 1 : n)
        read_exactly(guard, p, n, chunk, &whole);
    /* This is the last read, so that the spans are valid. */
    size_t decided_at = whole.decided_at;
    whole = read_once(guard_page_put(guard, p, n), n);
    whole.decided_at = decided_at;
    return whole;
}

#endif
