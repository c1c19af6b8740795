/*
 * socket.h - the socket of a TLS stream, and the records that it has not accepted yet. Private to
 * net/tls.
 */
#ifndef NET_TLS_SOCKET_H
#define NET_TLS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "net/stream.h"

/* Encrypted bytes that the socket has not accepted yet. */
struct tls_unsent {
    size_t at, n, room; /* n unsent bytes at bytes[at]; size of `bytes` */
    uint8_t bytes[];
};

struct tls_socket {
    struct tls_unsent *unsent; /* owned; null = everything was sent */
    int fd;                    /* borrowed */
    uint16_t send_error;       /* errno of the failed send(); 0 = none failed */
    bool drained : 1;          /* the last read left the socket empty */
    bool left : 1;             /* a read returned the end of the connection or an error */
    bool parting : 1;          /* sending close_notify; the FIN follows */
};

/*
 * Receive up to n bytes. Returns their number, 0 at the end, -1 with errno on error. EAGAIN is
 * returned once without a system call after a read that emptied the socket.
 */
ssize_t tls_socket_receive(struct tls_socket *s, void *p, size_t n);

/*
 * Send bytes after all unsent ones. What the socket does not accept is kept; after a send error
 * bytes are dropped.
 */
void tls_socket_send(struct tls_socket *s, const void *p, size_t n);

/*
 * Send the unsent bytes. Returns OK if none are left, WANT_WRITE if the socket is full, and ERR if
 * sending failed (see `send_error`); the socket can then still be read.
 */
enum stream_result tls_socket_flush(struct tls_socket *s);

/* Number of unsent bytes. */
static inline size_t tls_socket_unsent(const struct tls_socket *s)
{
    return s->unsent ? s->unsent->n : 0;
}

/* Free the unsent bytes. */
void tls_socket_fini(struct tls_socket *s);

#endif
