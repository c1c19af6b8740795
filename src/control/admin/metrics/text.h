/*
 * text.h - write the text exposition format of Prometheus, version 0.0.4.
 *
 * Begin each family once, then add its samples. Label values are escaped. Names are not, so they
 * must be our own constants. If memory runs out, metrics_text_take() fails.
 */
#ifndef CONTROL_ADMIN_METRICS_TEXT_H
#define CONTROL_ADMIN_METRICS_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct metrics_text;

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* Prefix of all our metrics. */
#define METRICS_PREFIX "mqtt_router_"

MUST_USE struct metrics_text *metrics_text_new(void);

/*
 * Begin a family. The prefix is added unless the name begins with "process_". Names of counters
 * must end in "_total".
 */
void metrics_family(struct metrics_text *m, const char *name, enum metric_type type,
                    const char *help);

/* Add a label to the next sample. name and value are borrowed until the sample is added. */
void metrics_label(struct metrics_text *m, const char *name, const char *value);

/* Add a sample to the family. */
void metrics_sample(struct metrics_text *m, double value);

/*
 * Add the samples of a histogram, each with the labels given so far.
 *
 *   bounds_us   n upper bounds
 *   buckets     n + 1 counts, not cumulative; the last one is for values above all bounds
 */
void metrics_histogram(struct metrics_text *m, const uint32_t *bounds_us, const uint64_t *buckets,
                       size_t n, uint64_t sum_us);

/* Free m, and return the text, which the caller frees with free(). Null: out of memory. */
MUST_USE char *metrics_text_take(struct metrics_text *m, size_t *n);

#endif
