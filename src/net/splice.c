/*
 * splice.c - a worker's pipe, which moves bulk data between sockets inside the kernel.
 *
 * This file only creates and empties the pipe. flow.c decides when to use it; streams read and
 * write it.
 */
#include "net/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Is splice() permitted? If so, splicing a pipe to itself fails with EINVAL. */
static bool is_allowed(const int ends[2])
{
    return splice(ends[0], NULL, ends[1], NULL, 1, SPLICE_F_NONBLOCK) < 0 && errno == EINVAL;
}

void splice_init(struct splice_pipe *pipe)
{
    int ends[2];
    *pipe = (struct splice_pipe){.in = -1, .out = -1};
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        return;
    *pipe = (struct splice_pipe){.in = ends[1], .out = ends[0]};
    if (!is_allowed(ends))
        splice_fini(pipe);
}

void splice_fini(struct splice_pipe *pipe)
{
    if (pipe->in < 0)
        return;
    close(pipe->in);
    close(pipe->out);
    *pipe = (struct splice_pipe){.in = -1, .out = -1};
}

bool splice_read_back(struct splice_pipe *pipe, uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t got = read(pipe->out, p, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            splice_fini(pipe);
            return false;
        }
        p += got;
        n -= (size_t)got;
    }
    return true;
}
