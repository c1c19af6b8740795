/*
 * client.h - TLS connections to nodes, and their context. Each worker has one context per cluster.
 *
 * TLS sessions to nodes are not resumed: handshakes are rare compared with relayed data, and a full
 * handshake verifies the node again.
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
 * Load the files named in `conf`. Without a ca_file, OpenSSL uses the system's certificate store
 * and reads its directory during verification.
 *
 * Null on failure, with one line in `error` as for tls_context_new(). Keeps no pointer into `conf`.
 * The context can be created on one thread and handed over to another, like a tls_context.
 */
MUST_USE struct tls_client_context *tls_client_context_new(struct tls_library *lib,
                                                           const struct upstream_tls_conf *conf,
                                                           char error[TLS_ERROR_MAX]);

/* Take a reference; tls_client_context_free() drops it. Only on the thread that connects. */
struct tls_client_context *tls_client_context_ref(struct tls_client_context *ctx);

/* Drop a reference. Each stream holds its own. Null is allowed. */
void tls_client_context_free(struct tls_client_context *ctx);

/* Like tls_context_files() and tls_context_validity(), for our certificate, its chain and the
 * authorities. */
void tls_client_context_files(const struct upstream_tls_conf *conf,
                              void (*each)(void *arg, const char *file), void *arg);
void tls_client_context_validity(const struct tls_client_context *ctx, tls_validity_each *each,
                                 void *arg);

/* The expected identity of the server. The strings are copied. */
struct tls_peer {
    /* required in the certificate, and sent as SNI unless it is an IP address; null = none */
    const char *name;
    const struct address *address; /* required in the certificate if there is no name */
};

/*
 * Create the client side of TLS over a socket whose connect() may still be in progress. Takes the
 * socket, and closes it on failure. Null if out of memory.
 *
 *   preamble   a PROXY header, sent unencrypted; copied. preamble_n may be 0
 *
 * open() waits for the connect, sends the preamble, and performs the handshake with verification.
 * It fails if verification is on and there is neither a name nor an IP address to verify (a Unix
 * socket without a name). stream_error() then returns the error of connect() or, for example,
 * "certificate verify failed: hostname mismatch".
 */
MUST_USE struct stream *stream_tls_connect(struct tls_client_context *ctx, int fd,
                                           const struct tls_peer *peer, const void *preamble,
                                           size_t preamble_n);

#endif
