/*
 * flow_testing.h - what the tests of a flow share: two scripted ends and a pool of blocks.
 */
#ifndef FLOW_TESTING_H
#define FLOW_TESTING_H

#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "net/stream_memory.h"
#include "proxy/flow.h"
#include "unit.h"

#define BLOCK_BYTES 64u
#define INPUT_BYTES 10000u

struct bench {
    struct flow flow;
    struct pool pool;
    uint8_t *scratch; /* of exactly a block, so that the sanitizer sees its end */
    struct flow_room room;
    struct stream *from, *to;
};

/* Bytes whose order shows: no two windows of a few bytes are alike. */
static inline struct span counting_bytes(void)
{
    static uint8_t bytes[INPUT_BYTES];
    for (uint32_t i = 0; i < INPUT_BYTES; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 24);
    return span_of(bytes, INPUT_BYTES);
}

static inline void bench_init(struct bench *b, const struct stream_memory_script *from,
                              const struct stream_memory_script *to)
{
    *b = (struct bench){.scratch = malloc(BLOCK_BYTES)};
    pool_init(&b->pool, BLOCK_BYTES, 2);
    b->room = (struct flow_room){.scratch = b->scratch, .pool = &b->pool};
    b->from = stream_memory_new(from);
    b->to = stream_memory_new(to);
    assert_true(b->scratch && b->from && b->to);
    assert_int_equal(stream_open(b->from), STREAM_OK);
    assert_int_equal(stream_open(b->to), STREAM_OK);
}

static inline void bench_fini(struct bench *b)
{
    flow_release(&b->flow, &b->pool);
    assert_int_equal(b->pool.n_held, 0);
    pool_fini(&b->pool);
    stream_free(b->from);
    stream_free(b->to);
    free(b->scratch);
}

/* Pump once; what must hold after every pump is checked here. */
static inline enum flow_result bench_pump(struct bench *b)
{
    memset(b->scratch, 0xdd, BLOCK_BYTES); /* another session used it meanwhile */
    enum flow_result r = flow_pump(&b->flow, b->from, b->to, &b->room);
    assert_int_equal(b->flow.due, r == FLOW_YIELD);
    assert_in_range(b->pool.n_held, 0, 1);
    assert_int_equal(b->pool.n_held == 1, b->flow.waiting != NULL);
    assert_true(b->flow.n <= BLOCK_BYTES);
    if (b->flow.n == 0)
        assert_null(b->flow.waiting); /* an idle flow holds no memory */
    if (r == FLOW_WAIT && !b->flow.closed)
        assert_true(b->flow.read_wait | b->flow.write_wait); /* else nothing would wake it */
    return r;
}

/* Pump while it is worth it, as the worker does when the sockets are ready each time. */
static inline enum flow_result bench_pump_until_closed(struct bench *b)
{
    enum flow_result r = FLOW_WAIT;
    for (int i = 0; i < 1000000 && !b->flow.closed; i++) {
        r = bench_pump(b);
        if (r != FLOW_WAIT && r != FLOW_YIELD)
            return r;
    }
    assert_true(b->flow.closed);
    return r;
}

static inline void expect_output(const struct bench *b, struct span want)
{
    assert_true(span_equal(stream_memory_output(b->to), want));
}

#endif
