/*
 * metrics.h - the parts of GET /metrics: what its files put together.
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
 * CONNACKs, TLS handshakes and durations, from the workers' counters; `too_long` handshakes ended
 * by the router's deadline.
 */
void metrics_workers(struct metrics_text *m, const struct workers *workers, uint64_t too_long);

/* Families with a sample for each node. */
void metrics_nodes(struct metrics_text *m, const struct admin_context *context);

#endif
