/*
 * splice.h - the pipe of a worker that moves bulk data between sockets inside the kernel.
 *
 * Used during one relay step, like the scratch block, and empty before and after it. Bytes that the
 * receiver does not accept are read back into the session's buffer. So one pipe per worker is
 * enough, and a stalled session cannot block it.
 */
#ifndef NET_SPLICE_H
#define NET_SPLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

/* Default capacity of a pipe. */
#define SPLICE_BYTES_MAX 65536u

struct splice_pipe {
    int in, out; /* write end and read end; -1 = no pipe, bytes are copied */
};

/* No pipe is created if descriptors run out or splice() is not permitted. */
void splice_init(struct splice_pipe *pipe);
void splice_fini(struct splice_pipe *pipe);

static inline bool splice_is_open(const struct splice_pipe *pipe)
{
    return pipe && pipe->in >= 0;
}

/*
 * Read the n bytes that are in the pipe. False if that fails: the pipe is then closed, since its
 * content is unknown.
 */
MUST_USE bool splice_read_back(struct splice_pipe *pipe, uint8_t *p, size_t n);

#endif
