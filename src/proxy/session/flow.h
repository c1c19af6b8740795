/*
 * flow.h - one direction of a relayed session.
 */
#ifndef PROXY_SESSION_FLOW_H
#define PROXY_SESSION_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "net/splice.h"
#include "net/stream.h"

/*
 * Bytes on their way from one stream to the other. Memory is held only while bytes wait that the
 * receiver did not take: an idle flow holds none.
 */
struct flow {
    uint8_t *waiting; /* from the worker's pool; null when nothing waits */
    uint32_t at, n;   /* the waiting bytes inside it: n from at */
    uint64_t bytes;   /* read from the sender so far */
    uint8_t
        read_wait; /* EV_READ | EV_WRITE: what to wait for on the sender's socket; 0 = nothing */
    uint8_t write_wait; /* the same for the receiver's socket */
    uint8_t full_reads; /* consecutive reads that filled a block, up to FLOW_BULK_READS */
    bool due;           /* an event that this flow waits for has occurred */
    bool ended;         /* the sender has ended its stream */
    bool closed;        /* the end of the stream was passed on, or the receiver is dead */
    bool discards;      /* the receiver is dead: further bytes are read and discarded */
};

enum flow_result {
    FLOW_WAIT,        /* read_wait and write_wait are set */
    FLOW_YIELD,       /* more to do now, after other sessions: stays due */
    FLOW_READ_ERROR,  /* the sender's stream is dead: the flow has ended, see flow_pump() */
    FLOW_WRITE_ERROR, /* the receiver's stream is dead: the flow discards from now on */
    FLOW_NO_MEMORY
};

/* Borrowed from the worker for the length of a pump. */
struct flow_room {
    uint8_t *scratch;         /* as large as a block of the pool */
    struct pool *pool;        /* blocks of limits.relay_buffer_bytes */
    struct splice_pipe *pipe; /* null = none */
};

/*
 * Move what can be moved from one stream to the other: at most FLOW_ROUNDS_MAX blocks a
 * call, so that a busy session does not starve the rest of its worker.
 *
 * The sender's end is passed on by the next call: where both sides end in the same turn of the
 * loop, neither needs a FIN of its own before its socket is closed.
 *
 * An error ends one side, not the other. After READ_ERROR the receiver gets what was read before,
 * then the end, as after EOF. After WRITE_ERROR the sender is read to its end and its bytes are
 * discarded: a sender that is not read blocks, and a socket that is closed with unread bytes resets
 * its peer, which may then lose what was sent to it. Both leave the flow due; bytes that are
 * discarded do not count in `bytes`.
 *
 * Bytes are copied until so many reads in a row have filled a block; from then on, until the sender
 * has less, they go through the pipe where both streams can: it costs bulk little more than half of
 * what copying does, and small messages more.
 */
#define FLOW_ROUNDS_MAX 4
#define FLOW_BULK_READS 4
MUST_USE enum flow_result flow_pump(struct flow *f, struct stream *from, struct stream *to,
                                    const struct flow_room *room);

/*
 * Send on n bytes that stand at the beginning of the scratch block, and keep what the receiver
 * does not take. Nothing may be waiting already. WAIT: all bytes are looked after.
 */
MUST_USE enum flow_result flow_forward(struct flow *f, struct stream *to, size_t n,
                                       const struct flow_room *room);

/* The receiver is dead: discard the bytes that wait for it, and all further ones. */
void flow_discard(struct flow *f, struct pool *pool);

/* Translate a stream's WANT_* into the mask its socket is watched for. */
uint8_t flow_wait_mask(enum stream_result want);

/* Give back what the flow holds. */
void flow_release(struct flow *f, struct pool *pool);

#endif
