/*
 * test_text.c - the text exposition format, byte for byte as documented by Prometheus.
 */
#include "control/admin/metrics/text.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static void assert_text(struct metrics_text *m, const char *expected)
{
    size_t n = 0;
    char *text = metrics_text_take(m, &n);
    assert_non_null(text);
    assert_int_equal(n, strlen(expected));
    assert_string_equal(text, expected);
    free(text);
}

static void a_family_has_help_and_type_before_its_samples(void **state)
{
    (void)state;
    struct metrics_text *m = metrics_text_new();
    metrics_family(m, "sessions", METRIC_GAUGE, "Sessions there are.");
    metrics_label(m, "stage", "relay");
    metrics_label(m, "worker", "0");
    metrics_sample(m, 7);
    metrics_sample(m, 9007199254740991.0); /* no labels are left; 2^53 - 1 is exact */
    assert_text(m, "# HELP mqtt_router_sessions Sessions there are.\n"
                   "# TYPE mqtt_router_sessions gauge\n"
                   "mqtt_router_sessions{stage=\"relay\",worker=\"0\"} 7\n"
                   "mqtt_router_sessions 9007199254740991\n");
}

static void process_metrics_have_no_prefix(void **state)
{
    (void)state;
    struct metrics_text *m = metrics_text_new();
    metrics_family(m, "process_cpu_seconds_total", METRIC_COUNTER, "Used.");
    metrics_sample(m, 0.5);
    assert_text(m, "# HELP process_cpu_seconds_total Used.\n"
                   "# TYPE process_cpu_seconds_total counter\n"
                   "process_cpu_seconds_total 0.5\n");
}

static void quote_backslash_and_newline_are_escaped(void **state)
{
    (void)state;
    struct metrics_text *m = metrics_text_new();
    metrics_family(m, "x", METRIC_GAUGE, "X.");
    metrics_label(m, "node", "a\"} 1\nb\\n\xe2\x80\xae");
    metrics_sample(m, 1);
    assert_text(m, "# HELP mqtt_router_x X.\n"
                   "# TYPE mqtt_router_x gauge\n"
                   "mqtt_router_x{node=\"a\\\"} 1\\nb\\\\n\xe2\x80\xae\"} 1\n");
}

static void buckets_are_cumulative_and_in_seconds(void **state)
{
    (void)state;
    static const uint32_t bounds_us[] = {100, 2500000};
    static const uint64_t buckets[] = {3, 0, 2};
    struct metrics_text *m = metrics_text_new();
    metrics_family(m, "turn_seconds", METRIC_HISTOGRAM, "Turns.");
    metrics_label(m, "worker", "1");
    metrics_histogram(m, bounds_us, buckets, 2, 6000150);
    assert_text(m, "# HELP mqtt_router_turn_seconds Turns.\n"
                   "# TYPE mqtt_router_turn_seconds histogram\n"
                   "mqtt_router_turn_seconds_bucket{worker=\"1\",le=\"0.0001\"} 3\n"
                   "mqtt_router_turn_seconds_bucket{worker=\"1\",le=\"2.5\"} 3\n"
                   "mqtt_router_turn_seconds_bucket{worker=\"1\",le=\"+Inf\"} 5\n"
                   "mqtt_router_turn_seconds_sum{worker=\"1\"} 6.000150\n"
                   "mqtt_router_turn_seconds_count{worker=\"1\"} 5\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_family_has_help_and_type_before_its_samples),
        cmocka_unit_test(process_metrics_have_no_prefix),
        cmocka_unit_test(quote_backslash_and_newline_are_escaped),
        cmocka_unit_test(buckets_are_cumulative_and_in_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
