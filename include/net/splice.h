/*
 * splice.h - a worker's pipe, through which bulk passes from socket to socket inside the kernel.
 *
 * Borrowed for the length of a pump, as the scratch block is, and empty before and after: what a
 * receiver does not take is taken back into memory, where it waits and is counted as all that
 * waits. So one pipe is enough, nobody holds it, and nobody who stalls or leaves blocks it.
 */
#ifndef NET_SPLICE_H
#define NET_SPLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

/* What a pipe holds unless it is told otherwise. */
#define SPLICE_BYTES_MAX 65536u

struct splice_pipe {
    int in, out; /* the ends to write and to read; -1 = there is no pipe, bytes are copied */
};

/* Without descriptors, or where splice() is forbidden, there is none. */
void splice_init(struct splice_pipe *pipe);
void splice_fini(struct splice_pipe *pipe);

static inline bool splice_is_open(const struct splice_pipe *pipe)
{
    return pipe && pipe->in >= 0;
}

/*
 * Take the n bytes that are in the pipe. False when they cannot be had: then nobody knows what is
 * left in it, and there is no pipe any more.
 */
MUST_USE bool splice_read_back(struct splice_pipe *pipe, uint8_t *p, size_t n);

#endif
