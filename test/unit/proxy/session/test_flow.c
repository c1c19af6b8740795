/*
 * test_flow.c - one direction of a relay: bytes arrive unchanged, a slow receiver slows its
 * sender, memory is held only while bytes wait, and the end comes after the last byte.
 *
 * The memory streams assert OpenSSL's rule on the way: a write that waited is repeated with
 * the same leading bytes. How a flow fails is test_flow_faults.c.
 */
#include "flow_testing.h"

static const size_t piece_sizes[] = {0, 1, 2, 3, 7, 63, 64, 65, 1000};
static const unsigned waits[] = {0, 2, 3, 5, 7};

static void bytes_arrive_unchanged_at_any_size_of_reads_and_writes(void **state)
{
    struct span input = counting_bytes();
    for (size_t i = 0; i < ARRAY_LEN(piece_sizes); i++) {
        for (size_t k = 0; k < ARRAY_LEN(piece_sizes); k++) {
            for (size_t w = 0; w < ARRAY_LEN(waits) * ARRAY_LEN(waits); w++) {
                struct bench b;
                size_t n = w == 0 ? input.n : 1000;
                if (SANITIZED && (i + k + w) % 4 != 0)
                    continue;
                bench_init(&b, state,
                           (struct stream_memory_script){.input = span_of(input.p, n),
                                                         .eof = true,
                                                         .read_max = piece_sizes[i],
                                                         .wait_every = waits[w % 5]},
                           (struct stream_memory_script){.write_max = piece_sizes[k],
                                                         .wait_every = waits[w / 5]});
                assert_int_equal(bench_pump_until_closed(&b), FLOW_WAIT);
                expect_output(&b, span_of(input.p, n));
                assert_int_equal(b.flow.bytes, n);
                assert_true(stream_memory_write_closed(b.to));
                bench_fini(&b);
            }
        }
    }
}

/* Make the receiver full after every number of bytes, so that each byte is once the first to wait.
 */
static void bytes_arrive_unchanged_wherever_the_receiver_is_full(void **state)
{
    struct span input = span_of(counting_bytes().p, 3 * BLOCK_BYTES + 5);
    for (size_t room = 1; room <= input.n; room++) {
        struct bench b;
        uint8_t got[3 * BLOCK_BYTES + 5];
        size_t n = 0;
        bench_init(&b, state, (struct stream_memory_script){.input = input, .eof = true},
                   (struct stream_memory_script){.room = room});
        while (!b.flow.closed) {
            assert_int_not_equal(bench_pump(&b), FLOW_NO_MEMORY);
            struct span output = stream_memory_output(b.to);
            assert_true(n + output.n <= sizeof(got));
            memcpy(got + n, output.p, output.n);
            n += output.n;
            stream_memory_consume(b.to, output.n);
        }
        assert_true(span_equal(span_of(got, n), input));
        bench_fini(&b);
    }
}

static void a_receiver_that_takes_nothing_stops_its_sender_after_one_block(void **state)
{
    struct bench b;
    struct span input = counting_bytes();
    bench_init(&b, state, (struct stream_memory_script){.input = input},
               (struct stream_memory_script){.room = 10});
    for (int i = 0; i < 5; i++) {
        assert_int_equal(bench_pump(&b), FLOW_WAIT);
        assert_int_equal(stream_memory_unread(b.from), input.n - BLOCK_BYTES);
        assert_int_equal(b.flow.read_wait, 0); /* or its socket would wake us for nothing */
        assert_int_equal(b.flow.write_wait, EV_WRITE);
        assert_int_equal(b.flow.n, BLOCK_BYTES - 10);
        assert_int_equal(b.pool.n_held, 1);
    }
    bench_fini(&b);
}

static void memory_is_freed_after_the_last_waiting_byte(void **state)
{
    struct bench b;
    struct span input = span_of(counting_bytes().p, 40);
    bench_init(&b, state, (struct stream_memory_script){.input = input},
               (struct stream_memory_script){.room = 15});
    assert_int_equal(bench_pump(&b), FLOW_WAIT);
    assert_int_equal(b.flow.n, 25);
    stream_memory_consume(b.to, 15);
    assert_int_equal(bench_pump(&b), FLOW_WAIT);
    assert_int_equal(b.flow.n, 10);
    assert_int_equal(b.pool.n_held, 1);
    stream_memory_consume(b.to, 15);
    assert_int_equal(bench_pump(&b), FLOW_WAIT);
    assert_int_equal(b.pool.n_held, 0);
    assert_int_equal(b.flow.read_wait, EV_READ);
    assert_int_equal(b.flow.write_wait, 0);
    bench_fini(&b);
}

static void an_idle_flow_waits_for_its_sender_and_holds_nothing(void **state)
{
    struct bench b;
    bench_init(&b, state, (struct stream_memory_script){0}, (struct stream_memory_script){0});
    for (int i = 0; i < 3; i++) {
        assert_int_equal(bench_pump(&b), FLOW_WAIT);
        assert_int_equal(b.flow.read_wait, EV_READ);
        assert_int_equal(b.flow.write_wait, 0);
        assert_int_equal(b.pool.n_held, 0);
    }
    stream_memory_feed(b.from, span_of_str("now"), false);
    assert_int_equal(bench_pump(&b), FLOW_WAIT);
    expect_output(&b, span_of_str("now"));
    assert_int_equal(b.pool.n_held, 0);
    assert_int_equal(b.pool.n_free, 0); /* nor did it ever: what is taken at once needs no block */
    bench_fini(&b);
}

static void the_end_is_passed_on_after_the_last_waiting_byte(void **state)
{
    struct bench b;
    struct span input = span_of(counting_bytes().p, 50);
    bench_init(&b, state, (struct stream_memory_script){.input = input, .eof = true},
               (struct stream_memory_script){.room = 20});
    for (int left = 30; left >= 0; left -= 20) {
        assert_int_equal(bench_pump(&b), FLOW_WAIT);
        assert_false(b.flow.closed);
        assert_false(stream_memory_write_closed(b.to));
        stream_memory_consume(b.to, stream_memory_output(b.to).n);
    }
    bench_pump_to_the_end(&b);
    assert_int_equal(bench_pump(&b), FLOW_WAIT);
    assert_true(b.flow.ended && b.flow.closed);
    assert_true(stream_memory_write_closed(b.to));
    expect_output(&b, span_of(input.p + 40, 10));
    assert_int_equal(b.flow.read_wait | b.flow.write_wait, 0);
    bench_fini(&b);
}

/* The memory stream asserts that nobody reads or writes after the end. */
static void a_closed_flow_does_nothing(void **state)
{
    struct bench b;
    bench_init(&b, state, (struct stream_memory_script){.input = span_of_str("x"), .eof = true},
               (struct stream_memory_script){0});
    bench_pump_to_the_end(&b);
    assert_int_equal(bench_pump(&b), FLOW_WAIT);
    assert_true(b.flow.closed);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(bench_pump(&b), FLOW_WAIT);
        assert_int_equal(b.flow.read_wait | b.flow.write_wait, 0);
    }
    bench_fini(&b);
}

static void a_busy_flow_yields_and_continues(void **state)
{
    struct bench b;
    struct span input = span_of(counting_bytes().p, 10 * BLOCK_BYTES);
    bench_init(&b, state, (struct stream_memory_script){.input = input},
               (struct stream_memory_script){0});
    assert_int_equal(bench_pump(&b), FLOW_YIELD);
    assert_int_equal(b.flow.bytes, FLOW_ROUNDS_MAX * BLOCK_BYTES);
    assert_true(b.flow.due);
    assert_int_equal(bench_pump(&b), FLOW_YIELD);
    assert_int_equal(b.flow.bytes, 2 * FLOW_ROUNDS_MAX * BLOCK_BYTES);
    assert_int_equal(bench_pump(&b), FLOW_WAIT);
    assert_false(b.flow.due);
    expect_output(&b, input);
    bench_fini(&b);
}

/* Yielding must not hide that the last block is still waiting. */
static void a_flow_that_yields_with_waiting_bytes_continues_with_them(void **state)
{
    struct bench b;
    struct span input = span_of(counting_bytes().p, 10 * BLOCK_BYTES);
    bench_init(&b, state, (struct stream_memory_script){.input = input, .eof = true},
               (struct stream_memory_script){.room = FLOW_ROUNDS_MAX * BLOCK_BYTES - 1});
    assert_int_equal(bench_pump(&b), FLOW_YIELD);
    assert_int_equal(b.flow.n, 1);
    assert_int_equal(bench_pump(&b), FLOW_WAIT);
    assert_int_equal(b.flow.write_wait, EV_WRITE);
    size_t n = stream_memory_output(b.to).n;
    assert_int_equal(n, FLOW_ROUNDS_MAX * BLOCK_BYTES - 1);
    stream_memory_consume(b.to, n);
    while (bench_pump(&b) == FLOW_YIELD || stream_memory_output(b.to).n < n)
        assert_true(stream_memory_output(b.to).n <= n);
    expect_output(&b, span_of(input.p + n, n));
    bench_fini(&b);
}

int main(void)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_arrive_unchanged_at_any_size_of_reads_and_writes),
        cmocka_unit_test(bytes_arrive_unchanged_wherever_the_receiver_is_full),
        cmocka_unit_test(a_receiver_that_takes_nothing_stops_its_sender_after_one_block),
        cmocka_unit_test(memory_is_freed_after_the_last_waiting_byte),
        cmocka_unit_test(an_idle_flow_waits_for_its_sender_and_holds_nothing),
        cmocka_unit_test(the_end_is_passed_on_after_the_last_waiting_byte),
        cmocka_unit_test(a_closed_flow_does_nothing),
        cmocka_unit_test(a_busy_flow_yields_and_continues),
        cmocka_unit_test(a_flow_that_yields_with_waiting_bytes_continues_with_them),
    };
    return run_every_way("flow", tests, ARRAY_LEN(tests));
}
