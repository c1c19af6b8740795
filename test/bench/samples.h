/*
 * samples.h - latencies, and what is told of them.
 */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stddef.h>
#include <stdio.h>

struct samples {
    double *ms; /* owned */
    size_t n, capacity;
};

/* Add one; ends the program when memory is short. */
void samples_add(struct samples *samples, double ms);
void samples_clear(struct samples *samples);
/* Print `"NAME": {"n": ..., "p50": ..., ...}` without a line end; sorts the samples. */
void samples_print(struct samples *samples, const char *name, FILE *out);
void samples_fini(struct samples *samples);

/* Monotonic time in milliseconds, read now and not at the loop's last turn. */
double now_ms(void);

/* An option's number from `least` to `most`, or end the program with a word about it. */
unsigned number_between(const char *text, unsigned least, unsigned most);

#endif
