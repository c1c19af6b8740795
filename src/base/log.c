/*
 * log.c - create a log; set its level, format, rate limit and target.
 */
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>

#include "base/bucket.h"
#include "base/clock.h"
#include "log_internal.h"

#define BURST_S 10u

static const struct {
    const char *word, *loud;
} levels[] = {
#define X(suffix, word, loud) {word, loud},
    LOG_LEVELS(X)
#undef X
};
_Static_assert(ARRAY_LEN(levels) == LOG_LEVEL_COUNT, "every level has its words");

const char *log_level_name(enum log_level level)
{
    assert(level < LOG_LEVEL_COUNT);
    return levels[level].word;
}

const char *log_level_loud(enum log_level level)
{
    assert(level < LOG_LEVEL_COUNT);
    return levels[level].loud;
}

const char *log_format_name(enum log_format format)
{
    assert(format < LOG_FORMAT_COUNT);
    return format == LOG_JSON ? "json" : "text";
}

void log_set(struct log *log, enum log_level level, enum log_format format)
{
    atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
    atomic_store_explicit(&log->format, (int)format, memory_order_relaxed);
}

enum log_level log_level(const struct log *log)
{
    return (enum log_level)atomic_load_explicit(&log->level, memory_order_relaxed);
}

bool log_enabled(const struct log *log, enum log_level level)
{
    return level <= log_level(log);
}

/* ---- create and free ---- */

struct log *log_new(int fd, enum log_level level, enum log_format format)
{
    struct log *log = calloc(1, sizeof(*log));
    if (!log)
        return NULL;
    log_set(log, level, format);
    log->output = log->first = log_output_borrow(fd);
    if (!log->output || pthread_mutex_init(&log->lock, NULL) != 0) {
        log_output_free(log->output);
        free(log);
        return NULL;
    }
    if (log_recent_init(&log->recent))
        return log;
    pthread_mutex_destroy(&log->lock);
    log_output_free(log->output);
    free(log);
    return NULL;
}

void log_free(struct log *log)
{
    if (!log)
        return;
    log_recent_fini(&log->recent);
    if (log->output != log->first)
        log_output_free(log->output);
    log_output_free(log->first);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

void log_direct(struct log *log, struct log_output *output)
{
    const bool back = output->target == LOG_TARGET_STDOUT;
    pthread_mutex_lock(&log->lock);
    struct log_output *old = log->output;
    log->output = back ? log->first : output;
    pthread_mutex_unlock(&log->lock);
    if (old != log->first)
        log_output_free(old);
    if (back)
        log_output_free(output);
}

bool log_reopen(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    bool reopened = log_output_reopen(log->output);
    pthread_mutex_unlock(&log->lock);
    return reopened;
}

/* ---- limits ---- */

void log_limit(struct log *log, uint32_t lines_per_s)
{
    atomic_store_explicit(&log->lines_per_s, lines_per_s, memory_order_relaxed);
}

bool log_takes(struct log *log, enum log_level level)
{
    const uint32_t per_s = atomic_load_explicit(&log->lines_per_s, memory_order_relaxed);
    const struct bucket_rate rate = {
        .window_us = 1000000, .events = per_s, .burst = BURST_S * per_s};
    _Atomic uint64_t *bucket = &log->next[level >= LOG_INFO ? 0 : 1];
    if (per_s == 0)
        return true;
    const uint64_t now_us = clock_monotonic_us();
    uint64_t next = atomic_load_explicit(bucket, memory_order_relaxed), moved;
    do {
        moved = next;
        if (!bucket_take(&moved, now_us, rate)) {
            if (moved != next) /* the limit was raised */
                (void)atomic_compare_exchange_strong_explicit(
                    bucket, &next, moved, memory_order_relaxed, memory_order_relaxed);
            atomic_fetch_add_explicit(&log->suppressed, 1, memory_order_relaxed);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(bucket, &next, moved, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

uint64_t log_suppressed(const struct log *log)
{
    return atomic_load_explicit(&log->suppressed, memory_order_relaxed);
}

uint64_t log_dropped(const struct log *log)
{
    return atomic_load_explicit(&log->dropped, memory_order_relaxed);
}
