/* base.c - the error text and the alerts of a TLS stream. */
#include "base.h"

#include <assert.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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
