/*
 * stream_connect.c - the client side of TLS, over a connecting socket.
 *
 * A TCP stream waits for the connect and sends the preamble. From the handshake on, OpenSSL reads
 * and writes the socket, and the TCP stream only closes it.
 *
 *    connect -> preamble, unencrypted -> handshake -> open
 */
#include <assert.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "detach.h"
#include "internal.h"
#include "stream.h"

struct stream_tls_connect {
    struct stream_tls tls;
    struct tls_client_context *context; /* a reference */
    struct stream *tcp;                 /* owned; owns the socket */
    char *preamble;                     /* owned; null = none, or it was sent */
    size_t preamble_n, preamble_at;     /* length of the preamble; bytes already sent */
    bool connected;
};

static struct stream_tls_connect *connect_of(struct stream *st)
{
    return CONTAINER_OF(stream_tls_of(st), struct stream_tls_connect, tls);
}

/* ---- opening --------------------------------------------------------------------------- */

/* Return the result of the TCP stream; on failure, copy its error text. */
static enum stream_result tcp_answer(struct stream_tls_connect *c, enum stream_result answer)
{
    return answer == STREAM_ERR ? tls_fail_stream(&c->tls.base, stream_error(c->tcp)) : answer;
}

static enum stream_result send_preamble(struct stream_tls_connect *c)
{
    while (c->preamble_at < c->preamble_n) {
        size_t put;
        enum stream_result answer = stream_write(c->tcp, c->preamble + c->preamble_at,
                                                 c->preamble_n - c->preamble_at, &put);
        if (answer != STREAM_OK)
            return tcp_answer(c, answer);
        c->preamble_at += put;
    }
    free(c->preamble);
    c->preamble = NULL;
    return STREAM_OK;
}

static enum stream_result connect_open(struct stream *st)
{
    struct stream_tls_connect *c = connect_of(st);
    enum stream_result answer = STREAM_OK;
    if (c->tls.base.dead)
        return STREAM_ERR;
    if (!c->connected)
        answer = tcp_answer(c, stream_open(c->tcp));
    c->connected = answer == STREAM_OK;
    if (answer == STREAM_OK)
        answer = send_preamble(c);
    if (answer == STREAM_OK)
        answer = stream_tls_handshake(&c->tls);
    if (answer == STREAM_OK)
        c->tls.base.socket.drained = false; /* the router sends first */
    return answer;
}

/* Free all but the socket and its unsent bytes. */
static void connect_fini(struct stream_tls_connect *c)
{
    stream_tls_fini(&c->tls);
    free(c->preamble);
    tls_client_context_free(c->context);
    free(c);
}

static void connect_free(struct stream *st)
{
    struct stream_tls_connect *c = connect_of(st);
    stream_free(c->tcp);
    tls_socket_fini(&c->tls.base.socket);
    free(c->tls.base.fault);
    connect_fini(c);
}

static enum stream_settled connect_settle(struct stream **st)
{
    struct stream_tls_connect *c = connect_of(*st);
    enum stream_settled settled;
    struct stream *detached =
        stream_tls_detach(&c->tls, tls_client_context_library(c->context), &settled);
    if (detached) {
        const int fd = stream_tcp_release(c->tcp); /* the detached stream has it now */
        assert(fd == tls_base_of(detached)->socket.fd);
        connect_fini(c);
        *st = detached;
    }
    return settled;
}

static const struct stream_ops connect_ops = {.open = connect_open,
                                              .read = stream_tls_read,
                                              .write = stream_tls_write,
                                              .close_write = stream_tls_close_write,
                                              .settle = connect_settle,
                                              .free = connect_free,
                                              .error = stream_tls_error};

/* ---- creating -------------------------------------------------------------------------- */

/* Require the node's IP address in the certificate. False if the node has none (Unix socket). */
static bool expect_address(SSL *ssl, const struct address *address)
{
    if (!address)
        return false;
    struct address plain = address_unmap(address);
    X509_VERIFY_PARAM *rules = SSL_get0_param(ssl);
    if (plain.sa.sa_family == AF_INET)
        return X509_VERIFY_PARAM_set1_ip(rules, (const unsigned char *)&plain.in.sin_addr, 4) == 1;
    if (plain.sa.sa_family == AF_INET6)
        return X509_VERIFY_PARAM_set1_ip(rules, (const unsigned char *)&plain.in6.sin6_addr, 16) ==
               1;
    return false;
}

/* Require the name in the certificate, and send it as SNI. */
static bool expect_name(SSL *ssl, const char *name)
{
    /* RFC 6066 section 3: an IP address is not sent as SNI. It is still verified. */
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1)
        return true;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return name[0] && SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

/*
 * Set the name or address that the certificate must contain. If verification is on and there is
 * neither, fail the stream: any certificate of the same CA would be accepted.
 */
static void expect(struct stream_tls_connect *c, const struct tls_peer *peer)
{
    SSL *ssl = c->tls.ssl;
    bool expected = peer->name ? expect_name(ssl, peer->name) : expect_address(ssl, peer->address);
    if (expected || (!peer->name && !tls_client_context_verifies(c->context)))
        return;
    (void)tls_fail_stream(&c->tls.base, peer->name
                                            ? "invalid server name"
                                            : "cannot verify the certificate: set a server name");
}

static bool copy_preamble(struct stream_tls_connect *c, const void *preamble, size_t n)
{
    if (n == 0)
        return true;
    c->preamble = malloc(n);
    if (!c->preamble)
        return false;
    memcpy(c->preamble, preamble, n);
    c->preamble_n = n;
    return true;
}

struct stream *stream_tls_connect(struct tls_client_context *ctx, int fd,
                                  const struct tls_peer *peer, const void *preamble,
                                  size_t preamble_n)
{
    struct stream *tcp = stream_tcp_new_connecting(fd); /* closes the socket on failure */
    if (!tcp)
        return NULL;
    struct stream_tls_connect *c = malloc(sizeof(*c));
    if (!c)
        goto free_tcp;
    *c = (struct stream_tls_connect){.tls.base.stream.ops = &connect_ops, .tcp = tcp};
    SSL *ssl = tls_client_context_connection(ctx);
    if (!ssl || !copy_preamble(c, preamble, preamble_n) ||
        !stream_tls_attach(&c->tls, tls_client_context_library(ctx), ssl, fd,
                           tls_client_context_detaches(ctx)))
        goto free_all;
    c->context = tls_client_context_ref(ctx);
    expect(c, peer);
    return &c->tls.base.stream;
free_all:
    SSL_free(ssl);
    free(c->preamble);
    free(c);
free_tcp:
    stream_free(tcp);
    return NULL;
}
