/* base.c - what attached and detached TLS streams share: error text, alerts, the end of writing. */
#include "base.h"

#include <assert.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "net/tls/context.h"

void tls_set_fault(struct tls_base *base, const char *format, ...)
{
    char words[128];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    if (!base->fault)
        base->fault = strdup(words);
}

enum stream_result tls_fail_stream(struct tls_base *base, const char *words)
{
    tls_set_fault(base, "%s", words);
    base->dead = true;
    return STREAM_ERR;
}

enum stream_result tls_finish_write(struct tls_base *base, size_t *put)
{
    const enum stream_result flushed = tls_socket_flush(&base->socket);
    if (flushed == STREAM_WANT_WRITE)
        return STREAM_WANT_WRITE;
    if (flushed == STREAM_ERR)
        tls_set_fault(base, "%s", strerrordesc_np(base->socket.send_error));
    else
        *put = base->accepted_n;
    base->accepted_n = 0;
    return flushed;
}

enum stream_result tls_finish_close(struct tls_base *base, bool flush, bool ended)
{
    if (flush && tls_socket_flush(&base->socket) == STREAM_WANT_WRITE)
        return STREAM_WANT_WRITE;
    if (ended)
        return STREAM_OK;
    /* ENOTCONN: the peer has already reset the connection. */
    if (shutdown(base->socket.fd, SHUT_WR) != 0 && errno != ENOTCONN)
        return tls_fail_stream(base, "cannot shut down the socket");
    return STREAM_OK;
}

const char *stream_tls_error(const struct stream *st)
{
    const char *fault = tls_base_of_const(st)->fault;
    return fault ? fault : "out of memory";
}

bool stream_is_tls(const struct stream *st)
{
    return st->ops->error == stream_tls_error;
}

bool stream_tls_alert(const struct stream *st, struct tls_alert *out)
{
    assert(stream_is_tls(st));
    const struct tls_base *base = tls_base_of_const(st);
    bool sent = base->alert_sent != TLS_NO_ALERT;
    int code = sent ? base->alert_sent : base->alert_received;
    if (code == TLS_NO_ALERT)
        return false;
    *out = (struct tls_alert){
        .sent = sent, .code = (uint8_t)code, .description = SSL_alert_desc_string_long(code)};
    return true;
}
