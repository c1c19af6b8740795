/*
 * metrics.h - GET /metrics, and its parts.
 */
#ifndef CONTROL_ADMIN_METRICS_METRICS_H
#define CONTROL_ADMIN_METRICS_METRICS_H

#include <stdint.h>

struct admin_call;
struct admin_context;
struct workers;
struct metrics_text;

void admin_metrics(struct admin_call *call); /* GET /metrics */

/*
 * Add CONNACKs, TLS handshakes and durations, summed over the workers.
 *
 *   too_long   TLS handshakes that timed out
 */
void metrics_workers(struct metrics_text *m, const struct workers *workers, uint64_t too_long);

/* Add the metrics of each node. */
void metrics_nodes(struct metrics_text *m, const struct admin_context *context);

#endif
