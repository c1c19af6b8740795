/*
 * base.h - what a TLS stream has before and after it is detached from OpenSSL. Private to net/tls.
 */
#ifndef NET_TLS_BASE_H
#define NET_TLS_BASE_H

#include <stdbool.h>
#include <stdint.h>

#include "net/stream.h"
#include "socket.h"

#define TLS_NO_ALERT (-1)

/* With more unsent bytes than this, the stream is not read: a peer that sends KeyUpdates without
 * reading the responses must not fill the memory. A record has slightly more than 16 KiB. */
#define TLS_UNSENT_MAX 65536u

/* What a stream has before and after it is detached. */
struct tls_base {
    struct stream stream;
    struct tls_socket socket;
    char *fault;            /* owned; text of the first error; null = none, or out of memory */
    int16_t alert_sent;     /* last fatal alert we sent, or TLS_NO_ALERT */
    int16_t alert_received; /* last fatal alert received, or TLS_NO_ALERT */
    uint16_t accepted_n; /* bytes of a write that must be repeated: they are encrypted; 0 = none */
    bool is_detached : 1;
    bool dead : 1;     /* the stream has failed */
    bool notified : 1; /* close_notify was queued or sent */
};

static inline struct tls_base *tls_base_of(struct stream *st)
{
    return CONTAINER_OF(st, struct tls_base, stream);
}

static inline const struct tls_base *tls_base_of_const(const struct stream *st)
{
    return CONTAINER_OF(st, const struct tls_base, stream);
}

/* Set the error text, unless there is one. On the heap: few streams need it. */
__attribute__((format(printf, 2, 3))) void tls_set_fault(struct tls_base *base, const char *format,
                                                         ...);

/* Mark the stream as failed, with this error text. Returns STREAM_ERR. */
enum stream_result tls_fail_stream(struct tls_base *base, const char *words);

/*
 * The end of write(): send the records of `accepted_n` bytes. WANT_WRITE: the caller must repeat
 * these bytes.
 */
enum stream_result tls_finish_write(struct tls_base *base, size_t *put);

/*
 * The end of close_write(), after close_notify if it could be sent.
 *
 *   flush   send unsent bytes first
 *   ended   the peer has ended its direction: free() closes the socket next, without a FIN before
 */
enum stream_result tls_finish_close(struct tls_base *base, bool flush, bool ended);

/* Is this a TLS stream, attached or detached? For asserts. */
bool stream_is_tls(const struct stream *st);

/* The error() operation of attached and detached streams. */
const char *stream_tls_error(const struct stream *st);

#endif
