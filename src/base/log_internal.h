/*
 * log_internal.h - the internals of a log, shared by log.c (creation, levels, limits), log_line.c
 * (format of a line), log_output.c (target), log_recent.c (last lines).
 */
#ifndef BASE_LOG_INTERNAL_H
#define BASE_LOG_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

/* Where lines are written. Protected by the log's lock. */
struct log_output {
    enum log_target target;
    int fd;         /* -1 = not connected (syslog) */
    bool own;       /* fd is owned */
    bool may_block; /* a pipe, a socket or a terminal, whose reader may be stuck */
    bool torn;      /* the last line was cut short, and needs a line feed */
    unsigned facility;
    char *path; /* owned; file only */
};

/* The last important lines, as JSON, each followed by a line feed. */
struct log_recent {
    pthread_mutex_t lock;
    char *text; /* owned; LOG_RECENT_BYTES bytes */
    size_t n;
    unsigned lines;
};

struct log {
    struct log_output *output; /* owned, or `first`; under `lock` */
    struct log_output *first;  /* owned; standard output, kept open while another output is in use,
                                * because the sandbox does not allow opening a terminal later */
    pthread_mutex_t lock;      /* held from the check for room until the line is written */
    struct log_recent recent;

    _Atomic int level;        /* enum log_level; relaxed: one line more or less does not matter */
    _Atomic int format;       /* enum log_format; relaxed: each line reads it once */
    _Atomic uint64_t dropped; /* relaxed: a counter */

    /* all relaxed: one line more or less does not matter */
    _Atomic uint32_t lines_per_s; /* 0 = no limit */
    _Atomic uint64_t next[2];     /* token buckets: of INFO and DEBUG, and of the other levels */
    _Atomic uint64_t suppressed;
    uint64_t told; /* value of `suppressed` when it was last logged; main thread */
};

/* Return the name of a level in the text format. */
const char *log_level_loud(enum log_level level);

/* Whether log_limit() allows one more line of this level now; if not, the line is counted. */
bool log_takes(struct log *log, enum log_level level);

/* Create an output for a borrowed descriptor. Returns null if out of memory. */
struct log_output *log_output_borrow(int fd);

/*
 * Write a line, which includes its line feed. The caller holds the lock. Returns false if the line
 * or a part of it is lost.
 */
bool log_output_write(struct log_output *output, enum log_level level, const char *line, size_t n);

/* Open the same file again. Returns false with errno set on failure. */
bool log_output_reopen(struct log_output *output);

/* Store of the last lines. log_recent_keep() adds a line of JSON without a line feed. */
bool log_recent_init(struct log_recent *recent);
void log_recent_fini(struct log_recent *recent);
void log_recent_keep(struct log_recent *recent, const char *json, size_t n);

#endif
