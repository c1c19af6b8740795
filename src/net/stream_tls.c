/*
 * stream_tls.c - the server side of TLS, straight over a socket.
 *
 * OpenSSL reads and writes the socket itself (socket BIO): a memory BIO would cost a copy
 * and kilobytes a connection. The process ignores SIGPIPE, since OpenSSL uses write(2).
 *
 * A fault is put into words when it happens, because OpenSSL's error queue belongs to the
 * thread and is overwritten by the next connection. After a fault the SSL is not touched
 * again, save to free it.
 */
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream.h"
#include "net/tls_context.h"
#include "net/tls_internal.h"

#define NO_ALERT (-1)

struct stream_tls {
    struct stream stream;
    SSL *ssl;
    size_t pending_n; /* a write of this many bytes is to be repeated; 0 = none is */
    int fd;
    int alert_sent; /* last fatal alert we sent, or NO_ALERT */
    bool drained;   /* the last read left both the SSL and the socket empty */
    bool dead;      /* a fault ended it */
    bool notified;  /* close_notify is on its way */
    char fault[96]; /* in words; set once, with `dead` */
};

static struct stream_tls *tls_of(struct stream *st)
{
    return CONTAINER_OF(st, struct stream_tls, stream);
}

/* OpenSSL's report of what a handshake or a record did: we want the fatal alerts we sent. */
static void note_alert(const SSL *ssl, int where, int value)
{
    struct stream_tls *t = SSL_get_app_data(ssl);
    if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT && (value >> 8) == SSL3_AL_FATAL)
        t->alert_sent = value & 0xff;
}

/* The words for an error that the TLS protocol made, from OpenSSL's first complaint. */
static void say_protocol_fault(struct stream_tls *t)
{
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET)
        snprintf(t->fault, sizeof(t->fault), "received alert: %s",
                 SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
    else if (t->alert_sent != NO_ALERT)
        snprintf(t->fault, sizeof(t->fault), "sent alert: %s (%s)",
                 SSL_alert_desc_string_long(t->alert_sent), tls_reason(code));
    else if (reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST)
        snprintf(t->fault, sizeof(t->fault), "not TLS: the client speaks HTTP");
    else if (reason == SSL_R_WRONG_VERSION_NUMBER)
        snprintf(t->fault, sizeof(t->fault), "not TLS (wrong version number)");
    else
        snprintf(t->fault, sizeof(t->fault), "%s", tls_reason(code));
}

/*
 * What an unfinished call of OpenSSL means. `result` is what it returned, `system_error`
 * errno as it was right after.
 */
static enum stream_result tls_answer(struct stream_tls *t, int result, int system_error)
{
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return STREAM_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return STREAM_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return STREAM_EOF;
    case SSL_ERROR_SYSCALL:
        snprintf(t->fault, sizeof(t->fault), "%s",
                 system_error ? strerrordesc_np(system_error) : "the peer closed the connection");
        break;
    default:
        say_protocol_fault(t);
        break;
    }
    t->dead = true;
    return STREAM_ERR;
}

/* An end of stream where only the peer's next step would do. */
static enum stream_result tls_left(struct stream_tls *t, const char *words)
{
    snprintf(t->fault, sizeof(t->fault), "%s", words);
    t->dead = true;
    return STREAM_ERR;
}

static enum stream_result tls_open(struct stream *st)
{
    struct stream_tls *t = tls_of(st);
    if (t->dead)
        return STREAM_ERR;
    ERR_clear_error();
    int result = SSL_accept(t->ssl);
    int system_error = errno;
    if (result == 1)
        return STREAM_OK;
    enum stream_result answer = tls_answer(t, result, system_error);
    return answer == STREAM_EOF ? tls_left(t, "the peer left during the handshake") : answer;
}

static enum stream_result tls_read(struct stream *st, void *p, size_t n, size_t *got)
{
    struct stream_tls *t = tls_of(st);
    assert(n > 0);
    if (t->dead)
        return STREAM_ERR;
    if (t->drained) {
        t->drained = false;
        return STREAM_WANT_READ;
    }
    ERR_clear_error();
    size_t moved;
    int result = SSL_read_ex(t->ssl, p, n, &moved);
    int system_error = errno;
    if (result != 1)
        return tls_answer(t, result, system_error);
    *got = moved;
    /* With read_ahead a short record is no proof; an SSL that holds nothing more is. */
    t->drained = moved < n && !SSL_has_pending(t->ssl);
    return STREAM_OK;
}

static enum stream_result tls_write(struct stream *st, const void *p, size_t n, size_t *put)
{
    struct stream_tls *t = tls_of(st);
    /* A record that left in part is finished from the same bytes: see stream_write(). */
    assert(n > 0 && n >= t->pending_n);
    if (t->dead)
        return STREAM_ERR;
    ERR_clear_error();
    size_t moved;
    int result = SSL_write_ex(t->ssl, p, n, &moved);
    int system_error = errno;
    t->pending_n = 0;
    if (result == 1) {
        *put = moved;
        return STREAM_OK;
    }
    enum stream_result answer = tls_answer(t, result, system_error);
    if (answer == STREAM_EOF)
        return tls_left(t, "the stream is closed");
    if (answer != STREAM_ERR)
        t->pending_n = n;
    return answer;
}

static enum stream_result tls_close_write(struct stream *st)
{
    struct stream_tls *t = tls_of(st);
    /* Nothing may follow half a record, and during a handshake there is nothing to end. */
    bool can_notify = !t->dead && t->pending_n == 0 && SSL_is_init_finished(t->ssl);
    if (can_notify && !t->notified) {
        ERR_clear_error();
        int result = SSL_shutdown(t->ssl);
        int system_error = errno;
        if (result < 0)
            return tls_answer(t, result, system_error);
        t->notified = true;
    }
    /* ENOTCONN: the peer has reset the connection, so it needs no telling. */
    if (shutdown(t->fd, SHUT_WR) != 0 && errno != ENOTCONN)
        return tls_left(t, "cannot shut down the socket");
    return STREAM_OK;
}

static void tls_free(struct stream *st)
{
    struct stream_tls *t = tls_of(st);
    SSL_free(t->ssl);
    close(t->fd);
    free(t);
}

static const char *tls_error(const struct stream *st)
{
    return CONTAINER_OF(st, const struct stream_tls, stream)->fault;
}

static const struct stream_ops tls_ops = {.open = tls_open,
                                          .read = tls_read,
                                          .write = tls_write,
                                          .close_write = tls_close_write,
                                          .free = tls_free,
                                          .error = tls_error};

struct stream *stream_tls_accept(struct tls_context *ctx, int fd)
{
    struct stream_tls *t = malloc(sizeof(*t));
    if (!t)
        goto close_fd;
    *t = (struct stream_tls){.stream = {.ops = &tls_ops}, .fd = fd, .alert_sent = NO_ALERT};
    t->ssl = SSL_new(tls_context_default(ctx));
    if (!t->ssl)
        goto free_stream;
    /* SSL_set_fd() makes a BIO that leaves closing the descriptor to us. */
    if (SSL_set_fd(t->ssl, fd) != 1 || SSL_set_app_data(t->ssl, t) != 1)
        goto free_ssl;
    SSL_set_info_callback(t->ssl, note_alert);
    return &t->stream;
free_ssl:
    SSL_free(t->ssl);
free_stream:
    free(t);
close_fd:
    close(fd);
    return NULL;
}

void stream_tls_facts(const struct stream *st, struct tls_facts *out)
{
    assert(st->ops == &tls_ops);
    const struct stream_tls *t = CONTAINER_OF(st, const struct stream_tls, stream);
    unsigned alpn_n;
    *out = (struct tls_facts){.version = SSL_get_version(t->ssl),
                              .cipher = SSL_get_cipher_name(t->ssl),
                              .sni = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name),
                              .resumed = SSL_session_reused(t->ssl) == 1};
    SSL_get0_alpn_selected(t->ssl, &out->alpn, &alpn_n);
    out->alpn_n = alpn_n;
}
