/*
 * samples.h - collect latencies and print their percentiles.
 */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stddef.h>
#include <stdio.h>

struct samples {
    double *ms; /* owned */
    size_t n, capacity;
};

/* Add a sample. Exits if an allocation fails. */
void samples_add(struct samples *samples, double ms);
void samples_clear(struct samples *samples);
/* Sort the samples, and print `"NAME": {"n": ..., "p50": ..., ...}` without a line end. */
void samples_print(struct samples *samples, const char *name, FILE *out);
void samples_fini(struct samples *samples);

/* Return the current monotonic time in milliseconds, not that of the loop's last turn. */
double now_ms(void);

/* Parse a number from `least` to `most`. Exits with a message if it is invalid. */
unsigned number_between(const char *text, unsigned least, unsigned most);

#endif
