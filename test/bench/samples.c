/*
 * samples.c - collect latencies and print their exact percentiles.
 */
#include "samples.h"

#include <err.h>
#include <stdlib.h>
#include <time.h>

void samples_add(struct samples *samples, double ms)
{
    if (samples->n == samples->capacity) {
        samples->capacity = samples->capacity ? 2 * samples->capacity : 1024;
        samples->ms = realloc(samples->ms, samples->capacity * sizeof(double));
        if (!samples->ms)
            err(1, "samples");
    }
    samples->ms[samples->n++] = ms;
}

void samples_clear(struct samples *samples)
{
    samples->n = 0;
}

static int ascending(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Return the percentile by the nearest-rank method. */
static double percentile(const struct samples *samples, size_t percent)
{
    if (samples->n == 0)
        return 0;
    size_t rank = (samples->n * percent + 99) / 100;
    return samples->ms[rank ? rank - 1 : 0];
}

void samples_print(struct samples *samples, const char *name, FILE *out)
{
    if (samples->n > 0)
        qsort(samples->ms, samples->n, sizeof(double), ascending);
    fprintf(out, "\"%s\": {\"n\": %zu", name, samples->n);
    static const size_t percents[] = {10, 50, 90, 99, 100};
    for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++)
        fprintf(out, ", \"p%zu\": %.3f", percents[i], percentile(samples, percents[i]));
    fprintf(out, "}");
}

void samples_fini(struct samples *samples)
{
    free(samples->ms);
}

double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

unsigned number_between(const char *text, unsigned least, unsigned most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (!*text || *end || value < least || value > most)
        errx(2, "must be a number from %u to %u, got \"%s\"", least, most, text);
    return (unsigned)value;
}
