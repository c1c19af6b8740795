/*
 * detach.c - turn an attached stream into a detached one: when this is possible, and how.
 *
 * Bytes that OpenSSL has received and not decrypted cannot be taken out of it, nor records that it
 * has not finished: in these cases the stream is busy, and the caller tries again later.
 */
#include "detach.h"

#include <openssl/ssl.h>
#include <string.h>

#include "detached.h"
#include "secrets.h"

/* Does OpenSSL hold bytes of the connection, or have a response to send? */
static bool is_busy(const struct stream_tls *t)
{
    return t->base.dead || t->base.notified || t->base.socket.unsent || t->base.socket.send_error ||
           t->base.accepted_n > 0 || t->refuses || !SSL_is_init_finished(t->ssl) ||
           SSL_has_pending(t->ssl) ||
           /* a header was read, and nothing of its record's body */
           strcmp(SSL_rstate_string(t->ssl), "RH") != 0 || SSL_get_shutdown(t->ssl) != 0 ||
           SSL_get_key_update_type(t->ssl) != SSL_KEY_UPDATE_NONE;
}

struct stream *stream_tls_detach(struct stream_tls *t, const struct tls_library *lib,
                                 enum stream_settled *out)
{
    struct tls_facts facts;
    *out = STREAM_SETTLE_DISABLED;
    if (!t->secrets)
        return NULL;
    *out = STREAM_SETTLE_BUSY;
    if (is_busy(t))
        return NULL;
    stream_tls_facts(&t->base.stream, &facts);
    *out = STREAM_SETTLE_UNSUPPORTED;
    if (facts.sni.n > UINT16_MAX || facts.cn.n > UINT16_MAX)
        return NULL;
    struct tls_records records;
    if (!tls_secrets_export(t->secrets, t->ssl, lib->ciphers, &records, out))
        return NULL;
    struct stream *detached = stream_detached_new(&t->base, lib, &records, &facts);
    tls_records_fini(&records, lib->ciphers);
    *out = detached ? STREAM_SETTLED : STREAM_SETTLE_FAILED;
    /* Mark it as closed cleanly; otherwise OpenSSL makes its session non-resumable. */
    if (detached)
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    return detached;
}
