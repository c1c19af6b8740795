/*
 * detached_write.c - write to a detached TLS stream: data, alerts, responses to the peer.
 *
 *    caller's memory --tls_record_seal()--> out --send--> socket       out: the worker's
 *                                            |
 *                                            +--> unsent: what the socket did not accept
 *
 * A write encrypts up to 16 KiB, as many records as that takes, for one send().
 */
#include <assert.h>
#include <openssl/ssl.h>
#include <string.h>

#include "detached.h"

static void send_record(struct stream_detached *d, enum tls_content content, const void *p,
                        size_t n)
{
    uint8_t record[TLS_OVERHEAD_MAX + 8];
    assert(n <= 8);
    const size_t record_n = tls_record_seal(&d->records, d->lib->ciphers, content, p, n, record);
    if (record_n > 0)
        tls_socket_send(&d->base.socket, record, record_n);
}

void stream_detached_send_alert(struct stream_detached *d, int level, int code)
{
    const uint8_t alert[2] = {(uint8_t)level, (uint8_t)code};
    send_record(d, TLS_CONTENT_ALERT, alert, sizeof(alert));
}

/* Send close_notify; the FIN follows. */
static void notify(struct stream_detached *d)
{
    d->base.socket.parting = true;
    stream_detached_send_alert(d, SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY);
    d->base.notified = d->records.notified = true;
}

bool stream_detached_respond(struct stream_detached *d, const struct tls_record *record)
{
    if (record->update) {
        uint8_t message[TLS_KEY_UPDATE_SIZE];
        const size_t n = tls_record_seal_update(&d->records, d->lib->ciphers, message);
        if (n == 0)
            return false;
        tls_socket_send(&d->base.socket, message, n);
    }
    if (record->no_renegotiation)
        stream_detached_send_alert(d, SSL3_AL_WARNING, SSL_AD_NO_RENEGOTIATION);
    return true;
}

/* Write a KeyUpdate if the key is near its limit. False if no more may be written. */
static bool prepare_key(struct stream_detached *d, uint8_t *out, size_t *n)
{
    *n = 0;
    if (!tls_records_key_is_used_up(&d->records))
        return true;
    if (!d->records.is_tls13) {
        tls_set_fault(&d->base, "the TLS 1.2 key has reached its limit of encrypted records");
        notify(d);
        return false;
    }
    *n = tls_record_seal_update(&d->records, d->lib->ciphers, out);
    if (*n == 0)
        (void)tls_fail_stream(&d->base, "out of memory");
    return *n > 0;
}

/* Encrypt and send n bytes in as many records as it takes. False if the stream failed. */
static bool write_records(struct stream_detached *d, const uint8_t *p, size_t n)
{
    uint8_t *out = tls_ciphers_room(d->lib->ciphers).out;
    size_t out_n;
    if (!prepare_key(d, out, &out_n))
        return false;
    for (size_t at = 0; at < n;) {
        const size_t part = size_min(n - at, d->records.max_fragment);
        const size_t record_n = tls_record_seal(&d->records, d->lib->ciphers, TLS_CONTENT_DATA,
                                                p + at, part, out + out_n);
        if (record_n == 0) {
            (void)tls_fail_stream(&d->base, "out of memory");
            return false;
        }
        at += part;
        out_n += record_n;
    }
    tls_socket_send(&d->base.socket, out, out_n);
    d->base.accepted_n = (uint16_t)n;
    return true;
}

enum stream_result stream_detached_write(struct stream *st, const void *p, size_t n, size_t *put)
{
    struct stream_detached *d = stream_detached_of(st);
    struct tls_socket *socket = &d->base.socket;
    assert(n > 0 && n >= d->base.accepted_n);
    if (d->base.dead)
        return STREAM_ERR;
    if (d->base.accepted_n == 0) {
        if (socket->unsent && tls_socket_flush(socket) == STREAM_WANT_WRITE)
            return STREAM_WANT_WRITE;
        if (d->base.notified) {
            tls_set_fault(&d->base, "the stream is closed");
            return STREAM_ERR;
        }
        if (!write_records(d, p, size_min(n, TLS_PLAIN_MAX)))
            return STREAM_ERR;
    }
    return tls_finish_write(&d->base, put);
}

enum stream_result stream_detached_close_write(struct stream *st)
{
    struct stream_detached *d = stream_detached_of(st);
    /* close_notify cannot follow a partial record. */
    const bool can_notify = !d->base.dead && !d->base.socket.send_error && d->base.accepted_n == 0;
    if (can_notify && !d->base.notified)
        notify(d);
    return tls_finish_close(&d->base, can_notify, d->ended);
}
