/*
 * log.h - events, one line each, as JSON or text.
 *
 * A line is built on the caller's stack, without malloc, and leaves in one write(2), so
 * lines of several threads never mix. When the reader of a pipe or terminal is stuck, the
 * line is dropped and counted rather than letting a worker wait for it.
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

/* Level, its configuration word, its word in the text format. Most urgent first. */
#define LOG_LEVELS(X)                                                                              \
    X(ERROR, "error", "ERROR")    /* someone must act */                                           \
    X(WARN, "warn", "WARN")       /* we degraded */                                                \
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

/* A log that writes to `fd` (borrowed). Null when memory is short. Safe from any thread. */
MUST_USE struct log *log_new(int fd, enum log_level level, enum log_format format);
void log_free(struct log *log);

/* ---- where lines go ---- */

enum log_target { LOG_TARGET_STDOUT, LOG_TARGET_FILE, LOG_TARGET_SYSLOG, LOG_TARGET_COUNT };

struct log_output_conf {
    enum log_target target;
    const char *path;  /* of a file: appended to, made with mode 0640 */
    unsigned facility; /* of the system's log: its number in RFC 5424 section 6.2.1 */
};

/* What open(2) gets for a file of lines; the sandbox allows exactly this. */
#define LOG_FILE_FLAGS                                                                             \
    (O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW)

struct log_output;

/*
 * Whether the log target could be opened. Creates and writes nothing: if the file is missing, its
 * directory must allow the router to create it. False with errno.
 */
MUST_USE bool log_output_try(const struct log_output_conf *conf);

/*
 * Open it: a file, or the socket of the system's log, /dev/log. Null with errno. One that is not
 * handed to a log is given back by log_output_free().
 */
MUST_USE struct log_output *log_output_open(const struct log_output_conf *conf);
void log_output_free(struct log_output *output); /* null is allowed */

/*
 * From any thread: lines go there, which is taken, from the next one on. Standard output is what
 * the log began with, and is not opened again.
 */
void log_direct(struct log *log, struct log_output *output);

/*
 * A file of lines was renamed: go on in a new one of its name. False with errno when that cannot be
 * opened: then lines go on into the old one. Other targets have nothing to open.
 */
MUST_USE bool log_reopen(struct log *log);

/*
 * The last lines of NOTICE and more urgent, LOG_RECENT_MAX at most, oldest first, as JSON without a
 * line feed, whatever is written and how. False when memory is short.
 */
#define LOG_RECENT_MAX 200u
MUST_USE bool log_recent(struct log *log, void (*each)(void *arg, const char *json, size_t n),
                         void *arg);

/* ---- how much ---- */
/* From any thread: write by these from the next line on. */
void log_set(struct log *log, enum log_level level, enum log_format format);
enum log_level log_level(const struct log *log); /* what log_set() said last */
bool log_enabled(const struct log *log, enum log_level level);
/*
 * From any thread: at most so many lines a second from now on, after ten seconds' worth at once;
 * 0 = any number, as at first. INFO and DEBUG have one allowance, the more urgent levels another of
 * the same size, so that an attack does not push out what somebody must act on. What is too much
 * is not even put together.
 */
void log_limit(struct log *log, uint32_t lines_per_s);
/* Lines dropped so far because nobody read them. */
uint64_t log_dropped(const struct log *log);
/* Lines that were too many for log_limit(), so far. */
uint64_t log_suppressed(const struct log *log);
/* Of the main thread, now and then: say how many were since it was last said, if any. */
void log_tell_suppressed(struct log *log);

/* Peer text in a line is cut to this many of its bytes, and marked "..." when it was. */
#define LOG_PEER_TEXT_MAX 128u
#define LOG_LINE_MAX      4096u /* PIPE_BUF: one write stays one piece */

/* A line in one format. */
struct log_form {
    bool json;
    bool cut; /* some field did not fit */
    size_t n;
    char text[LOG_LINE_MAX];
};

/* A line under construction. Fields that no longer fit are left out, whole. */
struct log_line {
    struct log *log;
    enum log_level level;
    bool enabled; /* somebody wants it: it is written, kept for log_recent(), or both */
    bool written, kept;
    unsigned n_forms;
    struct log_form forms[2]; /* as it is written, and as JSON where that is not the same */
};

/*
 * Begin, add fields in order, emit. `event` and `key` are ours: lower-case words that need no
 * escape. Text values are escaped: control characters, quotes, bytes that are not UTF-8, and what
 * would change how the rest of the line is read: bidirectional controls, characters without width,
 * line and paragraph separators.
 */
void log_begin(struct log_line *line, struct log *log, enum log_level level, const char *event);
void log_text(struct log_line *line, const char *key, const char *value); /* null: field left out */
void log_peer(struct log_line *line, const char *key, struct span value); /* absent: left out */
void log_u64(struct log_line *line, const char *key, uint64_t value);
void log_bool(struct log_line *line, const char *key, bool value);
void log_emit(struct log_line *line);

/* One event with one text field: the common case. */
void log_event(struct log *log, enum log_level level, const char *event, const char *key,
               const char *value);

#endif
