/*
 * client.h - TLS to nodes: the context of a cluster, and connections.
 *
 * Built once per cluster and worker. TLS sessions to nodes are not resumed: handshakes are rare
 * compared with relayed data, and a full handshake verifies the node again.
 */
#ifndef NET_TLS_CLIENT_H
#define NET_TLS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/util.h"
#include "context.h"
#include "model/config/config.h"
#include "net/address.h"
#include "net/stream.h"

struct tls_client_context;

/*
 * Load the files named in `conf`. Without a ca_file the system store is used, whose files OpenSSL
 * reads while it verifies.
 *
 * Null on failure, with one line in `error` as for tls_context_new(). Keeps no pointer into `conf`.
 * May be created on another thread and handed over, like a tls_context.
 */
MUST_USE struct tls_client_context *tls_client_context_new(struct tls_library *lib,
                                                           const struct upstream_tls_conf *conf,
                                                           char error[TLS_ERROR_MAX]);

/* Another reference; tls_client_context_free() drops it. Only on the thread that connects. */
struct tls_client_context *tls_client_context_ref(struct tls_client_context *ctx);

/* Drop a reference; streams hold their own. Null is allowed. */
void tls_client_context_free(struct tls_client_context *ctx);

/* As tls_context_files() and tls_context_validity(): our certificate, its chain, authorities. */
void tls_client_context_files(const struct upstream_tls_conf *conf,
                              void (*each)(void *arg, const char *file), void *arg);
void tls_client_context_validity(const struct tls_client_context *ctx, tls_validity_each *each,
                                 void *arg);

/* The expected identity of the server. Both are copied. */
struct tls_peer {
    /* Sent as SNI and required in the certificate; an IP address is required there but not sent. */
    const char *name;              /* null = none */
    const struct address *address; /* required in the certificate if there is no name */
};

/*
 * The client side of TLS over a socket whose connect() may be in progress; takes the socket (closed
 * on failure). open() waits for the connect, sends the preamble unencrypted (a PROXY header: one
 * send, unless the kernel accepts less), and performs the handshake with verification.
 *
 *   preamble   copied; preamble_n may be 0
 *
 * open() fails if verification is on and there is neither a name nor an IP address (Unix socket) to
 * verify. stream_error() returns for example "certificate verify failed: hostname mismatch", or the
 * error of connect(). Null if out of memory.
 */
MUST_USE struct stream *stream_tls_connect(struct tls_client_context *ctx, int fd,
                                           const struct tls_peer *peer, const void *preamble,
                                           size_t preamble_n);

#endif
