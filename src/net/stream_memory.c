/*
 * stream_memory.c - a scripted stream for tests and fuzzing.
 *
 * Deterministic: no clock and no random numbers; the script determines every wait and error. The
 * output is one growing allocation.
 *
 * The asserts check the caller: a relay that repeats a blocked write with other bytes would pass
 * every test over TCP and fail over TLS.
 */
#include "net/stream_memory.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIPE_BYTES_MAX 4096u /* per call */

struct stream_memory {
    struct stream stream;
    struct stream_memory_script script;
    size_t read_n;    /* bytes read so far */
    size_t written_n; /* bytes written so far */
    unsigned calls;   /* reads and writes so far, for wait_every */
    uint8_t *output;  /* owned */
    size_t output_n;
    uint8_t *repeat; /* owned; bytes of the blocked write; null = none */
    size_t repeat_n;
    bool opened;
    bool ended;      /* returned EOF */
    bool dead;       /* read or open returned ERR */
    bool write_dead; /* write returned ERR; reads still work */
    bool write_closed;
    const char *fault; /* static string */
};

static struct stream_memory *memory_of(struct stream *st)
{
    return CONTAINER_OF(st, struct stream_memory, stream);
}

static const struct stream_memory *memory_of_const(const struct stream *st)
{
    return CONTAINER_OF(st, const struct stream_memory, stream);
}

static enum stream_result memory_fail(struct stream_memory *m, const char *words)
{
    m->dead = true;
    m->fault = words;
    return STREAM_ERR;
}

static enum stream_result memory_fail_write(struct stream_memory *m, const char *words)
{
    m->write_dead = true;
    m->fault = words;
    return STREAM_ERR;
}

static bool wait_is_due(struct stream_memory *m)
{
    m->calls++;
    return m->script.wait_every && m->calls % m->script.wait_every == 0;
}

static enum stream_result memory_open(struct stream *st)
{
    struct stream_memory *m = memory_of(st);
    assert(!m->dead);
    if (m->script.open_waits > 0) {
        m->script.open_waits--;
        return STREAM_WANT_READ;
    }
    if (m->script.open_fails)
        return memory_fail(m, "scripted open fault");
    m->opened = true;
    return STREAM_OK;
}

static enum stream_result memory_read(struct stream *st, void *p, size_t n, size_t *got)
{
    struct stream_memory *m = memory_of(st);
    assert(m->opened && !m->dead && !m->ended && n > 0);
    if (wait_is_due(m))
        return STREAM_WANT_READ;
    size_t most = size_min(n, m->script.input.n);
    if (m->script.read_max)
        most = size_min(most, m->script.read_max);
    if (m->script.read_fails) {
        if (m->read_n >= m->script.read_fails_at)
            return memory_fail(m, "scripted read fault");
        most = size_min(most, m->script.read_fails_at - m->read_n);
    }
    if (most == 0) {
        m->ended = m->script.eof;
        return m->ended ? STREAM_EOF : STREAM_WANT_READ;
    }
    memcpy(p, m->script.input.p, most);
    m->script.input = span_of(m->script.input.p + most, m->script.input.n - most);
    m->read_n += most;
    *got = most;
    return STREAM_OK;
}

/* Keep the bytes of a blocked write, so that the repeated write can be checked. */
static enum stream_result write_would_block(struct stream_memory *m, const void *p, size_t n)
{
    uint8_t *copy = realloc(m->repeat, n);
    if (!copy)
        return memory_fail_write(m, "out of memory");
    memcpy(copy, p, n);
    m->repeat = copy;
    m->repeat_n = n;
    return STREAM_WANT_WRITE;
}

static void check_repetition(struct stream_memory *m, const void *p, size_t n)
{
    if (!m->repeat)
        return;
    assert(n >= m->repeat_n && memcmp(p, m->repeat, m->repeat_n) == 0);
    free(m->repeat);
    m->repeat = NULL;
}

/* The number of bytes, at most n, that the script accepts now. */
static size_t write_allowance(const struct stream_memory *m, size_t n)
{
    const struct stream_memory_script *script = &m->script;
    if (script->write_max)
        n = size_min(n, script->write_max);
    if (script->room)
        n = size_min(n, script->room - size_min(script->room, m->output_n));
    if (script->write_fails)
        n = size_min(n, script->write_fails_at - m->written_n);
    return n;
}

static enum stream_result memory_write(struct stream *st, const void *p, size_t n, size_t *put)
{
    struct stream_memory *m = memory_of(st);
    assert(m->opened && !m->write_closed && n > 0);
    if (m->dead || m->write_dead)
        return STREAM_ERR;
    check_repetition(m, p, n);
    if (m->script.write_fails && m->written_n >= m->script.write_fails_at)
        return memory_fail_write(m, "scripted write fault");
    size_t most = write_allowance(m, n);
    if (wait_is_due(m) || most == 0)
        return write_would_block(m, p, n);
    uint8_t *longer = realloc(m->output, m->output_n + most);
    if (!longer)
        return memory_fail_write(m, "out of memory");
    memcpy(longer + m->output_n, p, most);
    m->output = longer;
    m->output_n += most;
    m->written_n += most;
    *put = most;
    return STREAM_OK;
}

static enum stream_result memory_read_to_pipe(struct stream *st, int pipe, size_t n, size_t *got)
{
    uint8_t bytes[PIPE_BYTES_MAX];
    enum stream_result r = memory_read(st, bytes, size_min(n, sizeof(bytes) - 1), got);
    if (r == STREAM_OK && write(pipe, bytes, *got) != (ssize_t)*got)
        return memory_fail(memory_of(st), "the pipe is full");
    return r;
}

/* Copy up to n bytes without removing them from the pipe. Returns the number of bytes, or -1. */
static ssize_t peek(int pipe, uint8_t *p, size_t n)
{
    int copy[2];
    if (pipe2(copy, O_NONBLOCK | O_CLOEXEC) != 0)
        return -1;
    ssize_t teed = tee(pipe, copy[1], n, SPLICE_F_NONBLOCK);
    ssize_t got = teed > 0 ? read(copy[0], p, n) : teed;
    close(copy[0]);
    close(copy[1]);
    return got;
}

static enum stream_result memory_write_from_pipe(struct stream *st, int pipe, size_t n, size_t *put)
{
    uint8_t bytes[PIPE_BYTES_MAX];
    assert(n < sizeof(bytes));
    if (peek(pipe, bytes, sizeof(bytes)) != (ssize_t)n)
        return memory_fail(memory_of(st), "the pipe contains unexpected bytes");
    enum stream_result r = memory_write(st, bytes, n, put);
    if (r == STREAM_OK && read(pipe, bytes, *put) != (ssize_t)*put)
        return memory_fail(memory_of(st), "cannot read from the pipe");
    return r;
}

static enum stream_result memory_close_write(struct stream *st)
{
    memory_of(st)->write_closed = true;
    return STREAM_OK;
}

static void memory_free(struct stream *st)
{
    struct stream_memory *m = memory_of(st);
    free(m->repeat);
    free(m->output);
    free(m);
}

static const char *memory_error(const struct stream *st)
{
    return memory_of_const(st)->fault;
}

static const struct stream_ops memory_ops = {.open = memory_open,
                                             .read = memory_read,
                                             .write = memory_write,
                                             .close_write = memory_close_write,
                                             .free = memory_free,
                                             .error = memory_error};

static const struct stream_ops splicing_ops = {.open = memory_open,
                                               .read = memory_read,
                                               .write = memory_write,
                                               .close_write = memory_close_write,
                                               .read_to_pipe = memory_read_to_pipe,
                                               .write_from_pipe = memory_write_from_pipe,
                                               .free = memory_free,
                                               .error = memory_error};

struct stream *stream_memory_new(const struct stream_memory_script *script)
{
    struct stream_memory *m = malloc(sizeof(*m));
    if (!m)
        return NULL;
    *m = (struct stream_memory){.stream = {.ops = script->splices ? &splicing_ops : &memory_ops},
                                .script = *script,
                                .fault = "no fault"};
    return &m->stream;
}

void stream_memory_feed(struct stream *st, struct span input, bool eof)
{
    struct stream_memory *m = memory_of(st);
    assert(!m->ended);
    m->script.input = input;
    m->script.eof = eof;
}

struct span stream_memory_output(const struct stream *st)
{
    const struct stream_memory *m = memory_of_const(st);
    return span_of(m->output, m->output_n);
}

void stream_memory_consume(struct stream *st, size_t n)
{
    struct stream_memory *m = memory_of(st);
    assert(n <= m->output_n);
    m->output_n -= n;
    if (m->output_n > 0)
        memmove(m->output, m->output + n, m->output_n);
}

size_t stream_memory_unread(const struct stream *st)
{
    return memory_of_const(st)->script.input.n;
}

bool stream_memory_write_closed(const struct stream *st)
{
    return memory_of_const(st)->write_closed;
}
