/*
 * flow_testing.h - shared by the tests of a flow: two scripted ends and a pool of blocks.
 *
 * Every test runs three times: with ends that can only be copied between, with ends that can
 * splice, and with ends whose sender counts as bulk at every pump.
 */
#ifndef UNIT_PROXY_SESSION_FLOW_TESTING_H
#define UNIT_PROXY_SESSION_FLOW_TESTING_H

#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "net/stream_memory.h"
#include "proxy/session/flow.h"
#include "unit.h"

#define BLOCK_BYTES 64u
#define INPUT_BYTES 10000u

enum way { COPIED, SPLICED_IN_BULK, SPLICED };

struct bench {
    enum way way;
    struct splice_pipe pipe;
    struct flow flow;
    struct pool pool;
    uint8_t *scratch; /* exactly one block, so that the sanitizer detects an overrun */
    struct flow_room room;
    struct stream *from, *to;
};

/* Bytes whose order is visible: no two windows of a few bytes are equal. */
static inline struct span counting_bytes(void)
{
    static uint8_t bytes[INPUT_BYTES];
    for (uint32_t i = 0; i < INPUT_BYTES; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 24);
    return span_of(bytes, INPUT_BYTES);
}

/* `state` selects the way in which the test runs. */
static inline void bench_init(struct bench *b, void **state, struct stream_memory_script from,
                              struct stream_memory_script to)
{
    *b = (struct bench){.way = *(const enum way *)*state, .scratch = malloc(BLOCK_BYTES)};
    pool_init(&b->pool, BLOCK_BYTES, 2);
    splice_init(&b->pipe);
    assert_true(splice_is_open(&b->pipe));
    b->room = (struct flow_room){.scratch = b->scratch, .pool = &b->pool, .pipe = &b->pipe};
    from.splices = to.splices = b->way != COPIED;
    b->from = stream_memory_new(&from);
    b->to = stream_memory_new(&to);
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
    splice_fini(&b->pipe);
}

/* Pump once, and check what must hold after every pump. */
static inline enum flow_result bench_pump(struct bench *b)
{
    int left = -1;
    memset(b->scratch, 0xdd, BLOCK_BYTES); /* another session used it meanwhile */
    if (b->way == SPLICED)
        b->flow.full_reads = FLOW_BULK_READS;
    enum flow_result r = flow_pump(&b->flow, b->from, b->to, &b->room);
    assert_int_equal(ioctl(b->pipe.out, FIONREAD, &left), 0);
    assert_int_equal(left, 0); /* the next session finds it empty */
    assert_int_equal(b->flow.due, r == FLOW_YIELD || r == FLOW_READ_ERROR || r == FLOW_WRITE_ERROR);
    assert_int_equal(b->flow.discards, r == FLOW_WRITE_ERROR);
    assert_in_range(b->pool.n_held, 0, 1);
    assert_int_equal(b->pool.n_held == 1, b->flow.waiting != NULL);
    assert_true(b->flow.n <= BLOCK_BYTES);
    if (b->flow.n == 0)
        assert_null(b->flow.waiting); /* an idle flow holds no memory */
    if (r == FLOW_WAIT && !b->flow.closed)
        assert_true(b->flow.read_wait | b->flow.write_wait); /* else nothing would wake it */
    return r;
}

/* The sender's end is noted, and passed on by the next pump. */
static inline void bench_pump_to_the_end(struct bench *b)
{
    assert_int_equal(bench_pump(b), FLOW_YIELD);
    assert_true(b->flow.ended && !b->flow.closed);
    assert_false(stream_memory_write_closed(b->to));
    assert_int_equal(b->flow.read_wait | b->flow.write_wait, 0);
}

/* Pump while there is work, as the worker does when the sockets are always ready. */
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

/* Run the group's tests in each of the ways. */
static inline int run_every_way(const char *name, struct CMUnitTest *tests, size_t n)
{
    static enum way ways[] = {COPIED, SPLICED_IN_BULK, SPLICED};
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        for (size_t k = 0; k < n; k++)
            tests[k].initial_state = &ways[i];
        failed += _cmocka_run_group_tests(name, tests, n, NULL, NULL);
    }
    return failed;
}

static inline void expect_output(const struct bench *b, struct span want)
{
    assert_true(span_equal(stream_memory_output(b->to), want));
}

#endif
