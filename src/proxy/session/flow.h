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
 * Bytes in transit from one stream to the other. A flow holds memory only while bytes wait for the
 * receiver; an idle flow holds none.
 */
struct flow {
    uint8_t *waiting;   /* from the worker's pool; null if nothing waits */
    uint32_t at, n;     /* n waiting bytes, from offset `at` */
    uint64_t bytes;     /* read from the sender so far */
    uint8_t read_wait;  /* events to wait for on the sender's socket; 0 = none */
    uint8_t write_wait; /* events to wait for on the receiver's socket */
    uint8_t full_reads; /* consecutive reads that filled a block, up to FLOW_BULK_READS */
    bool due;           /* an event that this flow waits for has occurred */
    bool ended;         /* the sender has ended its stream */
    bool closed;        /* the end was forwarded, or the receiver has failed */
    bool discards;      /* the receiver has failed: read bytes are discarded */
};

enum flow_result {
    FLOW_WAIT,        /* read_wait and write_wait are set */
    FLOW_YIELD,       /* there is more to do after other sessions; the flow stays due */
    FLOW_READ_ERROR,  /* the sender's stream has failed; the flow has ended, see flow_pump() */
    FLOW_WRITE_ERROR, /* the receiver's stream has failed; the flow discards from now on */
    FLOW_NO_MEMORY
};

/* Resources borrowed from the worker for the duration of a pump. */
struct flow_room {
    uint8_t *scratch;         /* has the size of a pool block */
    struct pool *pool;        /* blocks of limits.relay_buffer_bytes */
    struct splice_pipe *pipe; /* null = none */
};

/*
 * Move bytes from one stream to the other: at most FLOW_ROUNDS_MAX blocks per call, so that a busy
 * session does not starve the other sessions of its worker.
 *
 * The sender's end is forwarded by the next call. If both sides end in the same turn of the loop,
 * their sockets are closed without a separate shutdown().
 *
 * An error on one side does not end the other side. After READ_ERROR the receiver gets the bytes
 * read before, and then the end of the stream, as after EOF. After WRITE_ERROR the sender is read
 * to its end and its bytes are discarded: otherwise the sender would block; and closing a socket
 * with unread bytes resets the connection, so that the peer could lose data sent to it. Both leave
 * the flow due. Discarded bytes are not counted in `bytes`.
 *
 * Bytes are copied until FLOW_BULK_READS consecutive reads have filled a block. From then on, until
 * a read returns less, bytes are spliced through the pipe if both streams support it. For bulk
 * data, splicing costs little more than half as much as copying; for small messages it costs more.
 */
#define FLOW_ROUNDS_MAX 4
#define FLOW_BULK_READS 4
MUST_USE enum flow_result flow_pump(struct flow *f, struct stream *from, struct stream *to,
                                    const struct flow_room *room);

/*
 * Forward the first n bytes of the scratch block, and store those that the receiver does not
 * accept. No bytes may be waiting already. Returns FLOW_WAIT if all bytes were written or stored.
 */
MUST_USE enum flow_result flow_forward(struct flow *f, struct stream *to, size_t n,
                                       const struct flow_room *room);

/* Discard the waiting bytes and all further ones, because the receiver's stream has failed. */
void flow_discard(struct flow *f, struct pool *pool);

/* Translate a stream's WANT_* into the event mask for its socket. */
uint8_t flow_wait_mask(enum stream_result want);

/* Return the flow's memory to the pool. */
void flow_release(struct flow *f, struct pool *pool);

#endif
