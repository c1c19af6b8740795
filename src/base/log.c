/*
 * log.c - events, one line each, as JSON or text.
 *
 * Every field is added whole or not at all: the line keeps room for its own end, and a field
 * that overran it is taken back.
 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bucket.h"
#include "base/clock.h"
#include "base/escape.h"

struct log {
    int fd;                   /* borrowed, or terminal_fd */
    _Atomic int level;        /* enum log_level; relaxed: a line more or less does not matter */
    _Atomic int format;       /* enum log_format; relaxed: each line asks once */
    int terminal_fd;          /* owned; -1 = none */
    bool may_block;           /* a pipe, a socket or a terminal: its reader may be stuck */
    pthread_mutex_t lock;     /* keeps "is there room" and "write" together; guards torn */
    bool torn;                /* the last line was cut short: the next one ends it first */
    _Atomic uint64_t dropped; /* relaxed: a count */

    /* relaxed, all of them: a line more or less does not matter */
    _Atomic uint32_t lines_per_s; /* 0 = any number */
    _Atomic uint64_t next[2];     /* buckets: of INFO and DEBUG, and of the others */
    _Atomic uint64_t suppressed;
    uint64_t told; /* of these; main thread */
};

#define BURST_S 10u

/* What every line must still have room for: `"cut":true}` and the line feed. */
#define LINE_END_ROOM 32u

static const struct {
    const char *word, *loud;
} levels[] = {
#define X(suffix, word, loud) {word, loud},
    LOG_LEVELS(X)
#undef X
};
_Static_assert(ARRAY_LEN(levels) == LOG_LEVEL_COUNT, "every level has its words");

const char *log_level_word(enum log_level level)
{
    assert(level < LOG_LEVEL_COUNT);
    return levels[level].word;
}

const char *log_format_word(enum log_format format)
{
    assert(format < LOG_FORMAT_COUNT);
    return format == LOG_JSON ? "json" : "text";
}

/*
 * A terminal again, non-blocking. A stopped one (Ctrl-S) is "writable" while any byte fits and
 * then keeps its writer in write(2). O_NONBLOCK on `fd` itself would change it for the shell
 * and all who share it. -1 when fd is no terminal or cannot be opened again.
 */
static int open_terminal(int fd)
{
    char path[32];
    if (!isatty(fd))
        return -1;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void log_set(struct log *log, enum log_level level, enum log_format format)
{
    atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
    atomic_store_explicit(&log->format, (int)format, memory_order_relaxed);
}

struct log *log_new(int fd, enum log_level level, enum log_format format)
{
    struct log *log = calloc(1, sizeof(*log));
    if (!log)
        return NULL;
    struct stat st;
    log->fd = fd;
    log->terminal_fd = -1;
    log_set(log, level, format);
    log->may_block = fstat(fd, &st) < 0 || !S_ISREG(st.st_mode);
    if (pthread_mutex_init(&log->lock, NULL) != 0) {
        free(log);
        return NULL;
    }
    log->terminal_fd = open_terminal(fd);
    if (log->terminal_fd >= 0)
        log->fd = log->terminal_fd;
    return log;
}

void log_free(struct log *log)
{
    if (!log)
        return;
    if (log->terminal_fd >= 0)
        close(log->terminal_fd);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

enum log_level log_level(const struct log *log)
{
    return (enum log_level)atomic_load_explicit(&log->level, memory_order_relaxed);
}

bool log_enabled(const struct log *log, enum log_level level)
{
    return level <= log_level(log);
}

void log_limit(struct log *log, uint32_t lines_per_s)
{
    atomic_store_explicit(&log->lines_per_s, lines_per_s, memory_order_relaxed);
}

/* May one more line of this level be written now? */
static bool take_line(struct log *log, enum log_level level)
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

static void put(struct log_line *line, const void *p, size_t n)
{
    if (line->n + n > sizeof(line->text) - LINE_END_ROOM) {
        line->cut = true;
        return;
    }
    memcpy(line->text + line->n, p, n);
    line->n += n;
}

static void put_str(struct log_line *line, const char *s)
{
    put(line, s, strlen(s));
}

/* Both formats use JSON's escapes inside quotes. */
static void put_escaped(struct log_line *line, const uint8_t *p, size_t n)
{
    char shown[ESCAPE_MAX];
    for (size_t i = 0, used = 0; i < n; i += used) {
        size_t length = escape_char(p + i, n - i, true, shown, &used);
        put(line, shown, length);
    }
}

/* A field under way: how to take it back when it does not fit. */
struct field {
    size_t mark;
    bool cut_before;
};

static struct field field_begin(struct log_line *line, const char *key)
{
    struct field field = {.mark = line->n, .cut_before = line->cut};
    bool json = line->json;
    line->cut = false;
    put_str(line, json ? ",\"" : " ");
    put_str(line, key);
    put_str(line, json ? "\":" : "=");
    return field;
}

static void field_end(struct log_line *line, struct field field)
{
    if (line->cut)
        line->n = field.mark;
    line->cut |= field.cut_before;
}

static void put_quoted(struct log_line *line, const char *key, struct span value, bool more)
{
    if (!line->enabled || !value.p)
        return;
    struct field field = field_begin(line, key);
    put_str(line, "\"");
    put_escaped(line, value.p, value.n);
    put_str(line, more ? "...\"" : "\"");
    field_end(line, field);
}

static void put_bare(struct log_line *line, const char *key, const char *value)
{
    if (!line->enabled)
        return;
    struct field field = field_begin(line, key);
    put_str(line, value);
    field_end(line, field);
}

/* Time, level and event: how every line begins. */
static void put_head(struct log_line *line, enum log_level level, const char *event)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    char time[48];
    (void)snprintf(time, sizeof(time), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
                   utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                   (int)(now.tv_nsec / 1000000));
    bool json = atomic_load_explicit(&line->log->format, memory_order_relaxed) == LOG_JSON;
    line->json = json;
    put_str(line, json ? "{\"time\":\"" : "");
    put_str(line, time);
    put_str(line, json ? "\",\"level\":\"" : " ");
    put_str(line, json ? levels[level].word : levels[level].loud);
    put_str(line, json ? "\",\"event\":\"" : " ");
    put_str(line, event);
    put_str(line, json ? "\"" : "");
}

void log_begin(struct log_line *line, struct log *log, enum log_level level, const char *event)
{
    line->log = log;
    line->enabled = log_enabled(log, level) && take_line(log, level);
    line->cut = false;
    line->n = 0;
    if (line->enabled)
        put_head(line, level, event);
}

void log_tell_suppressed(struct log *log)
{
    const uint64_t now = log_suppressed(log);
    struct log_line line = {.log = log, .enabled = true}; /* whatever the limit says */
    if (now == log->told || !log_enabled(log, LOG_WARN))
        return;
    put_head(&line, LOG_WARN, "log.suppressed");
    log_u64(&line, "lines", now - log->told);
    log_emit(&line);
    log->told = now;
}

void log_text(struct log_line *line, const char *key, const char *value)
{
    put_quoted(line, key, span_of_str(value), false);
}

/* The longest beginning of a text that does not end inside a character. */
static size_t whole_characters(struct span value, size_t max)
{
    size_t n = max;
    while (n > max - 4 && n > 0 && (value.p[n] & 0xc0) == 0x80)
        n--;
    return n;
}

void log_peer(struct log_line *line, const char *key, struct span value)
{
    bool more = value.n > LOG_PEER_TEXT_MAX;
    if (more)
        value.n = whole_characters(value, LOG_PEER_TEXT_MAX);
    put_quoted(line, key, value, more);
}

void log_u64(struct log_line *line, const char *key, uint64_t value)
{
    char digits[24];
    (void)snprintf(digits, sizeof(digits), "%" PRIu64, value);
    put_bare(line, key, digits);
}

void log_bool(struct log_line *line, const char *key, bool value)
{
    put_bare(line, key, value ? "true" : "false");
}

/* Is there room for a whole line at once? A pipe is writable when PIPE_BUF bytes fit. */
static bool has_room(const struct log *log)
{
    struct pollfd poll_fd = {.fd = log->fd, .events = POLLOUT};
    return !log->may_block || (poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLOUT));
}

/* Under the lock: write a line, whole; false when it is lost, or a part of it. */
static bool write_line(struct log *log, const char *text, size_t n)
{
    if (!has_room(log) || (log->torn && write(log->fd, "\n", 1) != 1))
        return false;
    ssize_t put = write(log->fd, text, n);
    log->torn = put > 0 && (size_t)put < n;
    return put == (ssize_t)n;
}

void log_emit(struct log_line *line)
{
    if (!line->enabled)
        return;
    struct log *log = line->log;
    bool json = line->json;
    const char *end =
        json ? (line->cut ? ",\"cut\":true}\n" : "}\n") : (line->cut ? " cut=true\n" : "\n");
    size_t n = strlen(end);
    assert(n <= LINE_END_ROOM);
    memcpy(line->text + line->n, end, n);

    pthread_mutex_lock(&log->lock);
    bool sent = write_line(log, line->text, line->n + n);
    pthread_mutex_unlock(&log->lock);
    if (!sent)
        atomic_fetch_add_explicit(&log->dropped, 1, memory_order_relaxed);
}

void log_event(struct log *log, enum log_level level, const char *event, const char *key,
               const char *value)
{
    struct log_line line;
    log_begin(&line, log, level, event);
    log_text(&line, key, value);
    log_emit(&line);
}
