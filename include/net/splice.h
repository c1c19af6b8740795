/*
 * splice.h - a worker's pipe, which moves bulk data between sockets inside the kernel.
 *
 * Like the scratch block, the pipe is only used during one relay step, and is empty between steps:
 * bytes that the receiver does not accept are read back into the session's buffer. One pipe per
 * worker is therefore enough, and a stalled session cannot block it.
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

/* Create the pipe, unless no descriptors are left or splice() is not permitted. */
void splice_init(struct splice_pipe *pipe);
void splice_fini(struct splice_pipe *pipe);

static inline bool splice_is_open(const struct splice_pipe *pipe)
{
    return pipe && pipe->in >= 0;
}

/*
 * Read the n bytes that are in the pipe. On failure, returns false and closes the pipe, because its
 * content is unknown.
 */
MUST_USE bool splice_read_back(struct splice_pipe *pipe, uint8_t *p, size_t n);

#endif
