/*
 * text.c - write the text exposition format of Prometheus into a memory stream.
 *
 * Names are not checked, because they are our own constants. A failed write is reported once, at
 * the end.
 */
#include "text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABELS_MAX 4u

struct label {
    const char *name, *value; /* borrowed until the sample is written */
};

struct metrics_text {
    FILE *out;
    char *text;
    size_t n;
    char name[128]; /* name of the family */
    struct label labels[LABELS_MAX];
    size_t n_labels;
};

struct metrics_text *metrics_text_new(void)
{
    struct metrics_text *m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;
    m->out = open_memstream(&m->text, &m->n);
    if (m->out)
        return m;
    free(m);
    return NULL;
}

void metrics_family(struct metrics_text *m, const char *name, enum metric_type type,
                    const char *help)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};
    const bool bare = strncmp(name, "process_", strlen("process_")) == 0;
    (void)snprintf(m->name, sizeof(m->name), "%s%s", bare ? "" : METRICS_PREFIX, name);
    (void)fprintf(m->out, "# HELP %s %s\n# TYPE %s %s\n", m->name, help, m->name, types[type]);
}

void metrics_label(struct metrics_text *m, const char *name, const char *value)
{
    assert(m->n_labels < LABELS_MAX);
    m->labels[m->n_labels++] = (struct label){name, value};
}

static void put_value(FILE *out, const char *value)
{
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            (void)fputc('\\', out);
        if (*value == '\n')
            (void)fputs("\\n", out);
        else
            (void)fputc(*value, out);
    }
}

/* Write the name with its labels, and with `le` if that is not null. */
static void put_name(struct metrics_text *m, const char *suffix, const char *le)
{
    (void)fprintf(m->out, "%s%s", m->name, suffix);
    if (m->n_labels == 0 && !le)
        return;
    (void)fputc('{', m->out);
    for (size_t i = 0; i < m->n_labels; i++) {
        (void)fprintf(m->out, "%s%s=\"", i ? "," : "", m->labels[i].name);
        put_value(m->out, m->labels[i].value);
        (void)fputc('"', m->out);
    }
    if (le)
        (void)fprintf(m->out, "%sle=\"%s\"", m->n_labels ? "," : "", le);
    (void)fputc('}', m->out);
}

void metrics_sample(struct metrics_text *m, double value)
{
    put_name(m, "", NULL);
    m->n_labels = 0;
    (void)fprintf(m->out, " %.17g\n", value);
}

void metrics_histogram(struct metrics_text *m, const uint32_t *bounds_us, const uint64_t *buckets,
                       size_t n, uint64_t sum_us)
{
    uint64_t count = 0;
    char le[32];
    for (size_t i = 0; i <= n; i++) {
        count += buckets[i];
        (void)snprintf(le, sizeof(le), "%g", i < n ? bounds_us[i] / 1e6 : 0.0);
        put_name(m, "_bucket", i < n ? le : "+Inf");
        (void)fprintf(m->out, " %" PRIu64 "\n", count);
    }
    put_name(m, "_sum", NULL);
    (void)fprintf(m->out, " %.6f\n", (double)sum_us / 1e6);
    put_name(m, "_count", NULL);
    (void)fprintf(m->out, " %" PRIu64 "\n", count);
    m->n_labels = 0;
}

char *metrics_text_take(struct metrics_text *m, size_t *n)
{
    const bool failed = ferror(m->out);
    const bool lost = fclose(m->out) != 0 || failed;
    char *text = m->text;
    *n = m->n;
    free(m);
    if (!lost)
        return text;
    free(text);
    return NULL;
}
