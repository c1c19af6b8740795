/*
 * stream.c - TLS over a socket: code shared by both sides, and the server side.
 *
 * OpenSSL reads and writes the socket itself, through stream_socket.c: a memory BIO would cost a
 * copy and several kilobytes per connection. Bytes that the socket does not accept are kept in
 * `unsent`.
 *
 * The error text is created when the error occurs, because OpenSSL's error queue belongs to the
 * thread and the next connection overwrites it. After an error the SSL is not used, only freed.
 */
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "detach.h"
#include "internal.h"
#include "net/tls/cert/error.h"
#include "secrets.h"
#include "stream.h"
#include "wire/first_bytes.h"

/*
 * Limit of TLS state changes between two data records. A KeyUpdate causes three, a handshake at
 * most 40. One SSL_read() processes records as long as the socket has data: without the limit, a
 * peer that sends only KeyUpdates, 27 bytes each, could block the worker forever.
 */
#define STEPS_MAX 192

static void note_alert(struct stream_tls *t, int where, int value)
{
    if ((value >> 8) != SSL3_AL_FATAL)
        return;
    if (where & SSL_CB_WRITE)
        t->base.alert_sent = (int16_t)(value & 0xff);
    else
        t->base.alert_received = (int16_t)(value & 0xff);
}

/*
 * OpenSSL's info callback: record fatal alerts and count state changes. Warning alerts count too,
 * because OpenSSL sends one for each rejected renegotiation request.
 */
static void note_event(const SSL *ssl, int where, int value)
{
    struct stream_tls *t = stream_tls_of_ssl(ssl);
    if (where & SSL_CB_ALERT)
        note_alert(t, where, value);
    if ((where & (SSL_CB_LOOP | SSL_CB_ALERT)) && ++t->steps > STEPS_MAX)
        t->refuses = true;
}

static void set_verify_fault(struct stream_tls *t)
{
    tls_set_fault(&t->base, "%scertificate verify failed: %s",
                  SSL_is_server(t->ssl) ? "client " : "",
                  X509_verify_cert_error_string(SSL_get_verify_result(t->ssl)));
}

/* The name from the peer is truncated here and escaped by the log. */
static void set_name_fault(struct stream_tls *t)
{
    const char *name = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
    tls_set_fault(&t->base, "sent alert: unrecognized name (%s%.64s)",
                  name ? "no certificate for " : "the client sent none", name ? name : "");
}

/* Set the error text for a TLS protocol error, from the first error in OpenSSL's queue. */
static void set_protocol_fault(struct stream_tls *t)
{
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);
    if (SSL_is_server(t->ssl) && t->first != FIRST_TLS && first_protocol_name(t->first))
        tls_set_fault(&t->base, "not TLS: the client speaks %s", first_protocol_name(t->first));
    else if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET)
        tls_set_fault(&t->base, "received alert: %s",
                      SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
    else if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
        set_verify_fault(t);
    else if (t->base.alert_sent == SSL_AD_UNRECOGNIZED_NAME)
        set_name_fault(t);
    else if (t->base.alert_sent != TLS_NO_ALERT)
        tls_set_fault(&t->base, "sent alert: %s (%s)",
                      SSL_alert_desc_string_long(t->base.alert_sent), tls_reason(code));
    else if (reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST)
        tls_set_fault(&t->base, "not TLS: the %s speaks HTTP",
                      SSL_is_server(t->ssl) ? "client" : "server");
    else if (reason == SSL_R_WRONG_VERSION_NUMBER)
        tls_set_fault(&t->base, "not TLS (wrong version number)");
    else
        tls_set_fault(&t->base, "%s", tls_reason(code));
}

/*
 * Clear errors of earlier calls. ERR_clear_error() frees all sixteen entries of the queue even if
 * it is empty, which takes an eighth of the instructions of a relayed message.
 */
static void clear_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

/*
 * Convert the result of a failed OpenSSL call. `result` is its return value, `system_error` the
 * errno right after it.
 */
static enum stream_result tls_result(struct stream_tls *t, int result, int system_error)
{
    if (t->steps > STEPS_MAX)
        return tls_fail_stream(&t->base, "too many key updates or renegotiations");
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return STREAM_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return STREAM_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return STREAM_EOF;
    case SSL_ERROR_SYSCALL:
        if (system_error == 0)
            system_error = t->base.socket.send_error; /* send() has already cleared SO_ERROR */
        tls_set_fault(&t->base, "%s",
                      system_error ? strerrordesc_np(system_error)
                                   : "the peer closed the connection");
        break;
    default:
        set_protocol_fault(t);
        break;
    }
    t->base.dead = true;
    return STREAM_ERR;
}

enum stream_result stream_tls_handshake(struct stream_tls *t)
{
    if (t->base.dead)
        return STREAM_ERR;
    if (t->base.socket.unsent && tls_socket_flush(&t->base.socket) == STREAM_WANT_WRITE)
        return STREAM_WANT_WRITE; /* the peer cannot answer before it has received everything */
    clear_errors();
    int result = SSL_do_handshake(t->ssl);
    int system_error = errno;
    if (result == 1)
        return STREAM_OK;
    enum stream_result answer = tls_result(t, result, system_error);
    if (answer == STREAM_WANT_READ && t->base.socket.unsent)
        return STREAM_WANT_WRITE;
    return answer == STREAM_EOF
               ? tls_fail_stream(&t->base, "the peer closed the connection during the handshake")
               : answer;
}

enum stream_result stream_tls_read(struct stream *st, void *p, size_t n, size_t *got)
{
    struct stream_tls *t = stream_tls_of(st);
    struct tls_socket *socket = &t->base.socket;
    assert(n > 0);
    if (t->base.dead)
        return STREAM_ERR;
    if (socket->unsent && tls_socket_flush(socket) == STREAM_WANT_WRITE &&
        tls_socket_unsent(socket) > TLS_UNSENT_MAX)
        return STREAM_WANT_WRITE;
    if (socket->drained && !SSL_has_pending(t->ssl)) {
        socket->drained = false;
        return STREAM_WANT_READ;
    }
    clear_errors();
    size_t moved;
    int result = SSL_read_ex(t->ssl, p, n, &moved);
    int system_error = errno;
    if (result != 1)
        return tls_result(t, result, system_error);
    t->steps = 0;
    *got = moved;
    return STREAM_OK;
}

/* Encrypt one record of p. False if the stream failed. */
static bool write_record(struct stream_tls *t, const void *p, size_t n)
{
    size_t moved = 0;
    clear_errors();
    int result = SSL_write_ex(t->ssl, p, n, &moved);
    int system_error = errno;
    if (result == 1) {
        /* SSL_MODE_ENABLE_PARTIAL_WRITE: one record, at most 16 KiB */
        t->base.accepted_n = (uint16_t)moved;
        return true;
    }
    enum stream_result answer = tls_result(t, result, system_error);
    if (answer != STREAM_ERR)
        (void)tls_fail_stream(&t->base, "the stream is closed");
    return false;
}

/*
 * For OpenSSL every write is complete, because the BIO keeps what the socket does not accept. The
 * caller repeats the bytes of a partly sent record until tls_finish_write() has sent the rest.
 */
enum stream_result stream_tls_write(struct stream *st, const void *p, size_t n, size_t *put)
{
    struct stream_tls *t = stream_tls_of(st);
    struct tls_socket *socket = &t->base.socket;
    assert(n > 0 && n >= t->base.accepted_n);
    if (t->base.dead)
        return STREAM_ERR;
    if (t->base.accepted_n == 0) {
        if (socket->unsent && tls_socket_flush(socket) == STREAM_WANT_WRITE)
            return STREAM_WANT_WRITE;
        if (!write_record(t, p, n))
            return STREAM_ERR;
    }
    return tls_finish_write(&t->base, put);
}

enum stream_result stream_tls_close_write(struct stream *st)
{
    struct stream_tls *t = stream_tls_of(st);
    /* close_notify cannot follow a partly sent record, and is not sent during a handshake. */
    bool can_notify = !t->base.dead && !t->base.socket.send_error && t->base.accepted_n == 0 &&
                      SSL_is_init_finished(t->ssl);
    if (can_notify && !t->base.notified) {
        clear_errors();
        t->base.socket.parting = true;
        int result = SSL_shutdown(t->ssl);
        int system_error = errno;
        if (result < 0)
            return tls_result(t, result, system_error);
        t->base.notified = true;
    }
    return tls_finish_close(&t->base, can_notify, SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN);
}

bool stream_tls_attach(struct stream_tls *t, const struct tls_library *lib, SSL *ssl, int fd,
                       bool detach)
{
    t->ssl = ssl;
    t->base.socket.fd = fd;
    t->base.alert_sent = t->base.alert_received = TLS_NO_ALERT;
    if (detach && !(t->secrets = tls_secrets_note(ssl)))
        return false;
    if (!stream_tls_set_bio(t, lib->socket)) {
        tls_secrets_free(t->secrets);
        return false;
    }
    SSL_set_info_callback(ssl, note_event);
    return true;
}

void stream_tls_fini(struct stream_tls *t)
{
    SSL_free(t->ssl);
    tls_secrets_free(t->secrets);
    OPENSSL_free(t->cn);
}

/* Server side */

static enum stream_result accept_open(struct stream *st)
{
    struct stream_tls *t = stream_tls_of(st);
    enum stream_result answer = stream_tls_handshake(t);
    /* Free the stapled response, which has been sent. */
    if (answer == STREAM_OK)
        SSL_set_tlsext_status_ocsp_resp(t->ssl, NULL, 0);
    return answer;
}

/* Free all but the socket and its unsent bytes. */
static void accept_fini(struct stream_tls *t)
{
    stream_tls_fini(t);
    tls_context_free(t->context); /* after the SSL, whose callbacks use it */
    free(t);
}

static void accept_free(struct stream *st)
{
    struct stream_tls *t = stream_tls_of(st);
    close(t->base.socket.fd);
    tls_socket_fini(&t->base.socket);
    free(t->base.fault);
    accept_fini(t);
}

static enum stream_settled accept_settle(struct stream **st)
{
    struct stream_tls *t = stream_tls_of(*st);
    enum stream_settled settled;
    struct stream *detached = stream_tls_detach(t, tls_context_library(t->context), &settled);
    if (detached) {
        accept_fini(t);
        *st = detached;
    }
    return settled;
}

static const struct stream_ops accept_ops = {.open = accept_open,
                                             .read = stream_tls_read,
                                             .write = stream_tls_write,
                                             .close_write = stream_tls_close_write,
                                             .settle = accept_settle,
                                             .free = accept_free,
                                             .error = stream_tls_error};

struct stream *stream_tls_accept(struct tls_context *ctx, int fd)
{
    struct stream_tls *t = malloc(sizeof(*t));
    if (!t)
        goto close_fd;
    *t = (struct stream_tls){.base.stream.ops = &accept_ops};
    SSL *ssl = tls_context_connection(ctx);
    if (!ssl)
        goto free_stream;
    SSL_set_accept_state(ssl);
    if (!stream_tls_attach(t, tls_context_library(ctx), ssl, fd, tls_context_detaches(ctx)))
        goto free_ssl;
    t->context = tls_context_ref(ctx);
    return &t->base.stream;
free_ssl:
    SSL_free(ssl);
free_stream:
    free(t);
close_fd:
    close(fd);
    return NULL;
}
