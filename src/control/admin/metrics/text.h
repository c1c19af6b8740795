/*
 * text.h - Prometheus' text exposition format, version 0.0.4.
 *
 * A family is begun once, then come its samples. Label values are escaped; names are ours. When
 * memory is short the text ends early, and metrics_text_take() says so.
 */
#ifndef CONTROL_ADMIN_METRICS_TEXT_H
#define CONTROL_ADMIN_METRICS_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct metrics_text;

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* All metrics begin so. */
#define METRICS_PREFIX "mqtt_router_"

MUST_USE struct metrics_text *metrics_text_new(void);

/*
 * Begin a family. A name that does not begin with "process_" gets the prefix; those of counters
 * end in _total.
 */
void metrics_family(struct metrics_text *m, const char *name, enum metric_type type,
                    const char *help);

/* Labels of the next sample, in their order; they are used up by it. */
void metrics_label(struct metrics_text *m, const char *name, const char *value);

/* A sample of the family. */
void metrics_sample(struct metrics_text *m, double value);

/*
 * The samples of a histogram, with the labels given so far on each: n buckets by themselves, by
 * their upper bounds in microseconds, and one more beyond.
 */
void metrics_histogram(struct metrics_text *m, const uint32_t *bounds_us, const uint64_t *buckets,
                       size_t n, uint64_t sum_us);

/* The text, which malloc made, the caller's; null: memory is short. Frees m. */
MUST_USE char *metrics_text_take(struct metrics_text *m, size_t *n);

#endif
