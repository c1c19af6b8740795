/*
 * log_testing.h - shared by the tests of the log: a log that writes to a pipe, and its lines.
 */
#ifndef LOG_TESTING_H
#define LOG_TESTING_H

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/log.h"
#include "unit.h"

struct tap {
    int read_fd, write_fd;
    struct log *log;
    char line[LOG_LINE_MAX + 1]; /* the last line read, without its line feed */
};

static inline void tap_open(struct tap *tap, enum log_level level, enum log_format format)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    tap->read_fd = fds[0];
    tap->write_fd = fds[1];
    tap->log = log_new(tap->write_fd, level, format);
    assert_non_null(tap->log);
}

static inline void tap_close(struct tap *tap)
{
    log_free(tap->log);
    close(tap->read_fd);
    close(tap->write_fd);
}

static inline bool tap_is_dry(const struct tap *tap)
{
    struct pollfd poll_fd = {.fd = tap->read_fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 0;
}

/* Emit the line, and read it back. */
static inline const char *tap_emit(struct tap *tap, struct log_line *line)
{
    log_emit(line);
    assert_false(tap_is_dry(tap));
    ssize_t n = read(tap->read_fd, tap->line, sizeof(tap->line));
    assert_in_range(n, 1, LOG_LINE_MAX);
    assert_int_equal(tap->line[n - 1], '\n');
    tap->line[n - 1] = '\0';
    assert_int_equal(strlen(tap->line), n - 1);
    return tap->line;
}

/* Emit the line, and read it back as a JSON object, owned by the caller. */
static inline json_t *tap_emit_json(struct tap *tap, struct log_line *line)
{
    json_t *object = json_loads(tap_emit(tap, line), JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    assert_true(json_is_object(object));
    return object;
}

#endif
