/*
 * log_internal.h - a log, shared by the files that make it: log.c (life, levels, limits),
 * log_line.c (a line put together), log_output.c (where it goes), log_recent.c (the last ones).
 */
#ifndef BASE_LOG_INTERNAL_H
#define BASE_LOG_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

/* Where lines go. Changed and written to under the log's lock. */
struct log_output {
    enum log_target target;
    int fd;         /* -1 = none at the moment (syslog) */
    bool own;       /* fd is ours to close */
    bool may_block; /* a pipe, a socket or a terminal: its reader may be stuck */
    bool torn;      /* the last line was cut short: the next one ends it first */
    unsigned facility;
    char *path; /* owned; of a file */
};

/* The last lines that matter, as JSON, one behind the other. */
struct log_recent {
    pthread_mutex_t lock;
    char *text; /* LOG_RECENT_BYTES; null = memory was short, and none are kept */
    size_t n;
    unsigned lines;
};

struct log {
    struct log_output *output; /* owned, or `first`; under `lock` */
    struct log_output *first;  /* owned; standard output: a terminal cannot be opened later, in the
                                * sandbox, so it is kept while lines go elsewhere */
    pthread_mutex_t lock;      /* keeps "is there room" and "write" together */
    struct log_recent recent;

    _Atomic int level;        /* enum log_level; relaxed: a line more or less does not matter */
    _Atomic int format;       /* enum log_format; relaxed: each line asks once */
    _Atomic uint64_t dropped; /* relaxed: a count */

    /* relaxed, all of them: a line more or less does not matter */
    _Atomic uint32_t lines_per_s; /* 0 = any number */
    _Atomic uint64_t next[2];     /* buckets: of INFO and DEBUG, and of the others */
    _Atomic uint64_t suppressed;
    uint64_t told; /* of these; main thread */
};

/* The words of a level: in JSON, and for people. */
const char *log_level_loud(enum log_level level);

/* May one more line of this level be put together now? */
bool log_takes(struct log *log, enum log_level level);

/* log_output.c: a borrowed descriptor. Null when memory is short. */
struct log_output *log_output_borrow(int fd);

/* Under the lock: write a line, whole, its line feed included; false when it is lost, or a part. */
bool log_output_write(struct log_output *output, enum log_level level, const char *line, size_t n);

/* Open the same file once more; false with errno when it cannot be. */
bool log_output_reopen(struct log_output *output);

/* log_recent.c: keep a line of JSON, without a line feed. */
bool log_recent_init(struct log_recent *recent);
void log_recent_fini(struct log_recent *recent);
void log_recent_keep(struct log_recent *recent, const char *json, size_t n);

#endif
