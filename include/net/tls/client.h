/*
 * client.h - TLS towards nodes: what a cluster's connections need, and the connections.
 *
 * Built once per cluster and worker. Sessions towards nodes are not resumed: a router dials a
 * node rarely compared with the bytes it relays, and a full handshake verifies anew.
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
 * Load what `conf` names. Without a ca_file the system's store counts, whose certificates
 * OpenSSL looks up in files while it verifies.
 *
 * Null on failure, with one line in `error` as for tls_context_new(). Keeps no pointer into
 * `conf`. May be made on another thread and handed over, like a tls_context.
 */
MUST_USE struct tls_client_context *tls_client_context_new(struct tls_library *lib,
                                                           const struct upstream_tls_conf *conf,
                                                           char error[TLS_ERROR_MAX]);

/* Another reference; tls_client_context_free() gives it back. Of the thread that dials alone. */
struct tls_client_context *tls_client_context_ref(struct tls_client_context *ctx);

/* Drop the owner's reference; streams hold their own. Null is allowed. */
void tls_client_context_free(struct tls_client_context *ctx);

/* As tls_context_files() and tls_context_validity(): our certificate, its chain, authorities. */
void tls_client_context_files(const struct upstream_tls_conf *conf,
                              void (*each)(void *arg, const char *file), void *arg);
void tls_client_context_validity(const struct tls_client_context *ctx, tls_validity_each *each,
                                 void *arg);

/* Who is expected at the other end. Both are copied. */
struct tls_peer {
    /* Sent as SNI and wanted in the certificate; an IP address is wanted there and not sent. */
    const char *name;              /* null = none */
    const struct address *address; /* wanted in the certificate when there is no name */
};

/*
 * The client side of TLS over a socket whose connect() was begun; takes the socket (closed on
 * failure too). open() waits for the connect, sends the preamble as it is (a PROXY protocol
 * header: one send, unless the kernel takes less), shakes hands and verifies.
 *
 *   preamble   copied; preamble_n may be 0
 *
 * open() fails at once when certificates are to be verified and there is neither name nor IP
 * address (a Unix socket) to verify them by. stream_error() says "certificate verify failed:
 * hostname mismatch", or the connect's error. Null when memory is short.
 */
MUST_USE struct stream *stream_tls_connect(struct tls_client_context *ctx, int fd,
                                           const struct tls_peer *peer, const void *preamble,
                                           size_t preamble_n);

#endif
