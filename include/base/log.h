/*
 * log.h - log events, one per line, as JSON or text.
 *
 * A line is built on the caller's stack, without malloc, and written by one write(2), so that lines
 * of several threads are never mixed. If the reader of a pipe or terminal is stuck, the line is
 * dropped and counted; a worker never waits for it.
 *
 *   {"time":"2026-01-02T03:04:05.678Z","level":"info","event":"session.end","bytes_up":17}
 *   2026-01-02T03:04:05.678Z   INFO session.end bytes_up=17B
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "span.h"
#include "util.h"

/* Level, its name in the configuration, its name in the text format. Most urgent first. */
#define LOG_LEVELS(X)                                                                              \
    X(ERROR, "error", "ERROR")    /* someone must act */                                           \
    X(WARN, "warn", "WARN")       /* service is degraded */                                        \
    X(NOTICE, "notice", "NOTICE") /* life cycle */                                                 \
    X(INFO, "info", "INFO")       /* per session */                                                \
    X(DEBUG, "debug", "DEBUG")    /* per event */

enum log_level {
#define X(suffix, word, loud) LOG_##suffix,
    LOG_LEVELS(X)
#undef X
        LOG_LEVEL_COUNT
};

enum log_format { LOG_TEXT, LOG_JSON, LOG_FORMAT_COUNT };

const char *log_level_name(enum log_level level);    /* "info" */
const char *log_format_name(enum log_format format); /* "json" */

struct log;

/*
 * Create a log that writes to `fd` (borrowed). Returns null if out of memory. Any thread can use
 * the log.
 */
MUST_USE struct log *log_new(int fd, enum log_level level, enum log_format format);
void log_free(struct log *log);

/* ---- target ---- */

enum log_target { LOG_TARGET_STDOUT, LOG_TARGET_FILE, LOG_TARGET_SYSLOG, LOG_TARGET_COUNT };

struct log_output_conf {
    enum log_target target;
    const char *path;  /* file only: opened for appending, created with mode 0640 */
    unsigned facility; /* syslog only: see RFC 5424 section 6.2.1 */
};

/* Flags of open(2) for a log file; the sandbox allows exactly these. */
#define LOG_FILE_FLAGS                                                                             \
    (O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW)

struct log_output;

/*
 * Check that the log target can be opened, without creating or writing anything. A missing file is
 * accepted if the router is allowed to create it. Returns false with errno set.
 */
MUST_USE bool log_output_try(const struct log_output_conf *conf);

/*
 * Open the log target: a file, or /dev/log for syslog. Returns null with errno set on failure. Pass
 * the result to log_direct(), or free it with log_output_free().
 */
MUST_USE struct log_output *log_output_open(const struct log_output_conf *conf);
void log_output_free(struct log_output *output); /* null is allowed */

/*
 * Write the next lines to `output`, and take ownership of it. LOG_TARGET_STDOUT switches back to
 * the descriptor that log_new() was called with. Can be called from any thread.
 */
void log_direct(struct log *log, struct log_output *output);

/*
 * Reopen the log file after it was renamed. Returns false with errno set on failure; the old file
 * then stays in use. Does nothing for other targets.
 */
MUST_USE bool log_reopen(struct log *log);

/*
 * Call `each` for the last lines of level NOTICE or more urgent, at most LOG_RECENT_MAX, oldest
 * first, as JSON without a line feed. The configured level and format do not affect this. Returns
 * false if out of memory.
 */
#define LOG_RECENT_MAX 200u
MUST_USE bool log_recent(struct log *log, void (*each)(void *arg, const char *json, size_t n),
                         void *arg);

/* ---- limits ---- */
/* Set the level and format for the next lines. Can be called from any thread. */
void log_set(struct log *log, enum log_level level, enum log_format format);
enum log_level log_level(const struct log *log); /* the level that was set last */
bool log_enabled(const struct log *log, enum log_level level);
/*
 * Limit the number of lines per second, with a burst of ten seconds' worth; 0 = no limit (the
 * default). INFO and DEBUG share one limit, and the more urgent levels share another of the same
 * size, so that an attack does not suppress important events. Suppressed lines are not even
 * formatted. Can be called from any thread.
 */
void log_limit(struct log *log, uint32_t lines_per_s);
/* Number of lines lost so far because they could not be written. */
uint64_t log_dropped(const struct log *log);
/* Number of lines suppressed by log_limit() so far. */
uint64_t log_suppressed(const struct log *log);
/* Log how many lines were suppressed since the last call, if any. Main thread only. */
void log_tell_suppressed(struct log *log);

/* Text from a peer is truncated to this many bytes, and then ends with "...". */
#define LOG_PEER_TEXT_MAX 128u
#define LOG_LINE_MAX      4096u /* PIPE_BUF: writes up to this size are atomic */

/* A line in one format. */
struct log_form {
    bool json;
    bool cut; /* a field did not fit */
    size_t n;
    char text[LOG_LINE_MAX];
};

/* A line under construction. A field that does not fit is omitted entirely. */
struct log_line {
    struct log *log;
    enum log_level level;
    bool enabled; /* the line is written, kept for log_recent(), or both */
    bool written, kept;
    unsigned n_forms;
    struct log_form forms[2]; /* the line to write, and the line to keep if its format differs */
};

/*
 * Begin a line, add fields in order, emit the line. `event` and `key` are lower-case constants that
 * need no escaping. Text values are escaped, see escape.h.
 */
void log_begin(struct log_line *line, struct log *log, enum log_level level, const char *event);
void log_text(struct log_line *line, const char *key, const char *value); /* null: no field */
void log_peer(struct log_line *line, const char *key, struct span value); /* absent: no field */
void log_u64(struct log_line *line, const char *key, uint64_t value);
void log_bool(struct log_line *line, const char *key, bool value);
void log_emit(struct log_line *line);

/* Log an event with one text field. */
void log_event(struct log *log, enum log_level level, const char *event, const char *key,
               const char *value);

#endif
