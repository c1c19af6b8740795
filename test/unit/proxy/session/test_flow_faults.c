/*
 * test_flow_faults.c - how a flow fails, and how it waits for streams that answer as TLS does:
 * a write that wants to read, an end that has to wait.
 *
 * Compiles pool.c into itself, with an allocator that fails on demand.
 */
#include <stdbool.h>
#include <stdlib.h>

static bool memory_is_short;

static void *failing_malloc(size_t n)
{
    return memory_is_short ? NULL : malloc(n);
}

#define malloc failing_malloc
#include "base/pool.c"
#undef malloc

#include "flow_testing.h"

static void a_short_read_without_splicing_does_not_end_bulk_mode(void **state)
{
    struct bench b;
    bench_init(&b, state, (struct stream_memory_script){.eof = true},
               (struct stream_memory_script){0});
    b.flow.bytes = 20; /* its CONNECT */
    bench_pump_to_the_end(&b);
    assert_int_equal(bench_pump(&b), FLOW_WAIT);
    assert_true(b.flow.closed);
    assert_true(stream_memory_write_closed(b.to));
    bench_fini(&b);
}

static void a_read_error_is_reported_after_the_bytes_before_it(void **state)
{
    struct span input = counting_bytes();
    for (size_t at = 0; at <= 3 * BLOCK_BYTES; at++) {
        struct bench b;
        bench_init(
            &b, state,
            (struct stream_memory_script){.input = input, .read_fails = true, .read_fails_at = at},
            (struct stream_memory_script){.write_max = 7, .wait_every = 3});
        assert_int_equal(bench_pump_until_closed(&b), FLOW_READ_ERROR);
        expect_output(&b, span_of(input.p, at));
        assert_string_equal(stream_error(b.from), "scripted read fault");
        bench_fini(&b);
    }
}

static void a_write_error_is_reported_at_any_byte(void **state)
{
    struct span input = counting_bytes();
    for (size_t at = 0; at <= 3 * BLOCK_BYTES; at++) {
        for (unsigned every = 0; every <= 3; every++) {
            struct bench b;
            bench_init(&b, state, (struct stream_memory_script){.input = input},
                       (struct stream_memory_script){.write_max = every ? 9 : 0,
                                                     .wait_every = every == 1 ? 0 : every,
                                                     .write_fails = true,
                                                     .write_fails_at = at});
            assert_int_equal(bench_pump_until_closed(&b), FLOW_WRITE_ERROR);
            expect_output(&b, span_of(input.p, at));
            assert_string_equal(stream_error(b.to), "scripted write fault");
            bench_fini(&b); /* what waited is given back */
        }
    }
}

/* The sender is read to its end, and nothing of it is written any more. */
static void bytes_for_a_dead_receiver_are_discarded(void **state)
{
    struct span input = counting_bytes();
    for (size_t at = 0; at <= 3 * BLOCK_BYTES; at++) {
        struct bench b;
        bench_init(&b, state, (struct stream_memory_script){.input = input, .eof = true},
                   (struct stream_memory_script){
                       .write_max = 9, .write_fails = true, .write_fails_at = at});
        assert_int_equal(bench_pump_until_closed(&b), FLOW_WRITE_ERROR);
        const uint64_t bytes = b.flow.bytes;
        enum flow_result r = FLOW_YIELD;
        while (r == FLOW_YIELD && !b.flow.closed)
            r = flow_pump(&b.flow, b.from, b.to, &b.room);
        assert_int_equal(r, FLOW_WAIT);
        assert_true(b.flow.closed);
        assert_int_equal(stream_memory_unread(b.from), 0);
        assert_int_equal(b.flow.bytes, bytes); /* what was discarded does not count */
        assert_int_equal(b.pool.n_held, 0);
        assert_false(stream_memory_write_closed(b.to));
        expect_output(&b, span_of(input.p, at));
        bench_fini(&b);
    }
}

/* What was read before the error is written, then the end. */
static void a_dead_sender_is_an_end_for_its_receiver(void **state)
{
    struct span input = counting_bytes();
    for (size_t at = 0; at <= 3 * BLOCK_BYTES; at++) {
        struct bench b;
        bench_init(
            &b, state,
            (struct stream_memory_script){.input = input, .read_fails = true, .read_fails_at = at},
            (struct stream_memory_script){.write_max = 7, .wait_every = 3});
        assert_int_equal(bench_pump_until_closed(&b), FLOW_READ_ERROR);
        assert_true(b.flow.ended && b.flow.due && !b.flow.closed);
        while (!b.flow.closed)
            assert_int_equal(flow_pump(&b.flow, b.from, b.to, &b.room), FLOW_WAIT);
        assert_true(stream_memory_write_closed(b.to));
        expect_output(&b, span_of(input.p, at));
        bench_fini(&b);
    }
}

static void a_failed_allocation_is_reported_and_nothing_is_held(void **state)
{
    struct bench b;
    bench_init(&b, state, (struct stream_memory_script){.input = counting_bytes()},
               (struct stream_memory_script){.room = BLOCK_BYTES + 10});
    memory_is_short = true;
    assert_int_equal(bench_pump(&b), FLOW_NO_MEMORY);
    memory_is_short = false;
    expect_output(&b, span_of(counting_bytes().p, BLOCK_BYTES + 10)); /* it needed none till then */
    bench_fini(&b);
}

static void a_flow_whose_receiver_keeps_up_needs_no_memory(void **state)
{
    struct bench b;
    bench_init(&b, state, (struct stream_memory_script){.input = counting_bytes(), .eof = true},
               (struct stream_memory_script){0});
    memory_is_short = true;
    assert_int_equal(bench_pump_until_closed(&b), FLOW_WAIT);
    memory_is_short = false;
    expect_output(&b, counting_bytes());
    bench_fini(&b);
}

/* A receiver that answers from a list, and remembers what it was offered. */
struct moody {
    struct stream stream;
    const enum stream_result *moods; /* one for each write, then for each close */
    size_t n_writes;                 /* so far */
    size_t offered[8];
    uint8_t first[8]; /* byte of each offer */
};

static enum stream_result moody_write(struct stream *st, const void *p, size_t n, size_t *put)
{
    struct moody *m = CONTAINER_OF(st, struct moody, stream);
    assert_true(m->n_writes < ARRAY_LEN(m->offered));
    m->offered[m->n_writes] = n;
    m->first[m->n_writes] = *(const uint8_t *)p;
    if (m->moods[m->n_writes] == STREAM_OK)
        *put = n;
    return m->moods[m->n_writes++];
}

static enum stream_result moody_close_write(struct stream *st)
{
    struct moody *m = CONTAINER_OF(st, struct moody, stream);
    return m->moods[m->n_writes++];
}

static const struct stream_ops moody_ops = {.write = moody_write, .close_write = moody_close_write};

static enum flow_result pump_to(struct bench *b, struct moody *m)
{
    return flow_pump(&b->flow, b->from, &m->stream, &b->room);
}

static void a_write_that_wants_to_read_waits_for_readable(void **state)
{
    struct bench b;
    bench_init(&b, state, (struct stream_memory_script){.input = span_of_str("abc")},
               (struct stream_memory_script){0});
    static const enum stream_result moods[] = {STREAM_WANT_READ, STREAM_WANT_READ,
                                               STREAM_WANT_WRITE, STREAM_OK};
    struct moody m = {.stream = {.ops = &moody_ops}, .moods = moods};
    assert_int_equal(pump_to(&b, &m), FLOW_WAIT);
    assert_int_equal(b.flow.write_wait, EV_READ);
    assert_int_equal(b.flow.read_wait, 0);
    stream_memory_feed(b.from, span_of_str("def"), false);
    assert_int_equal(pump_to(&b, &m), FLOW_WAIT);
    assert_int_equal(b.flow.write_wait, EV_WRITE);
    assert_int_equal(stream_memory_unread(b.from), 3); /* not before the first three are gone */
    for (size_t i = 0; i < m.n_writes; i++) {
        assert_int_equal(m.offered[i], 3);
        assert_int_equal(m.first[i], 'a');
    }
    bench_fini(&b);
}

static void an_end_that_has_to_wait_is_sent_later(void **state)
{
    struct bench b;
    bench_init(&b, state, (struct stream_memory_script){.input = span_of_str("x"), .eof = true},
               (struct stream_memory_script){0});
    static const enum stream_result moods[] = {STREAM_OK, STREAM_WANT_WRITE, STREAM_WANT_READ,
                                               STREAM_OK};
    struct moody m = {.stream = {.ops = &moody_ops}, .moods = moods};
    assert_int_equal(pump_to(&b, &m), FLOW_YIELD);
    assert_int_equal(pump_to(&b, &m), FLOW_WAIT);
    assert_int_equal(b.flow.write_wait, EV_WRITE);
    assert_int_equal(b.flow.read_wait, 0);
    assert_false(b.flow.closed);
    assert_int_equal(pump_to(&b, &m), FLOW_WAIT);
    assert_int_equal(b.flow.write_wait, EV_READ);
    assert_int_equal(pump_to(&b, &m), FLOW_WAIT);
    assert_true(b.flow.closed);
    assert_int_equal(b.flow.write_wait, 0);
    assert_int_equal(pump_to(&b, &m), FLOW_WAIT);
    assert_int_equal(m.n_writes, 4); /* and it is said once */
    bench_fini(&b);
}

static void an_end_that_cannot_be_sent_is_a_write_error(void **state)
{
    struct bench b;
    bench_init(&b, state, (struct stream_memory_script){.input = span_of_str("x"), .eof = true},
               (struct stream_memory_script){0});
    static const enum stream_result moods[] = {STREAM_OK, STREAM_ERR};
    struct moody m = {.stream = {.ops = &moody_ops}, .moods = moods};
    assert_int_equal(pump_to(&b, &m), FLOW_YIELD);
    assert_int_equal(pump_to(&b, &m), FLOW_WRITE_ERROR);
    bench_fini(&b);
}

/* A sender in the middle of a TLS key update: its read wants to write. */
static enum stream_result read_wants_write(struct stream *st, void *p, size_t n, size_t *got)
{
    (void)st, (void)p, (void)n, (void)got;
    return STREAM_WANT_WRITE;
}

static void a_read_that_wants_to_write_waits_for_writable(void **state)
{
    struct bench b;
    bench_init(&b, state, (struct stream_memory_script){0}, (struct stream_memory_script){0});
    static const struct stream_ops ops = {.read = read_wants_write};
    struct stream sender = {.ops = &ops};
    assert_int_equal(flow_pump(&b.flow, &sender, b.to, &b.room), FLOW_WAIT);
    assert_int_equal(b.flow.read_wait, EV_WRITE);
    assert_int_equal(b.flow.write_wait, 0);
    bench_fini(&b);
}

int main(void)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_read_without_splicing_does_not_end_bulk_mode),
        cmocka_unit_test(a_read_error_is_reported_after_the_bytes_before_it),
        cmocka_unit_test(a_write_error_is_reported_at_any_byte),
        cmocka_unit_test(bytes_for_a_dead_receiver_are_discarded),
        cmocka_unit_test(a_dead_sender_is_an_end_for_its_receiver),
        cmocka_unit_test(a_failed_allocation_is_reported_and_nothing_is_held),
        cmocka_unit_test(a_flow_whose_receiver_keeps_up_needs_no_memory),
        cmocka_unit_test(a_write_that_wants_to_read_waits_for_readable),
        cmocka_unit_test(an_end_that_has_to_wait_is_sent_later),
        cmocka_unit_test(an_end_that_cannot_be_sent_is_a_write_error),
        cmocka_unit_test(a_read_that_wants_to_write_waits_for_writable),
    };
    return run_every_way("flow_faults", tests, ARRAY_LEN(tests));
}
