/*
 * detached.c - a TLS stream without OpenSSL's SSL.
 *
 *    socket --recv--> in --tls_record_open()--> caller's memory      in, out: the worker's
 *                     |
 *                     +--> held: what is not a complete record yet
 *
 *    caller's memory --tls_record_seal()--> out --send--> socket
 *                                            |
 *                                            +--> unsent: what the socket did not accept
 *
 * A write encrypts up to 16 KiB, as many records as that takes, for one send(). Behaves like
 * stream.c, for the session and for the peer.
 */
#include "detached.h"

#include <assert.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/slab.h"

/* A record of this size or more is read exactly, so that no part of the next one has to be kept. */
#define LARGE_RECORD 4096u

static struct stream_detached *detached_of(struct stream *st)
{
    return CONTAINER_OF(tls_base_of(st), struct stream_detached, base);
}

/* ---- alerts ----------------------------------------------------------------------------- */

static void send_record(struct stream_detached *d, enum tls_content content, const void *p,
                        size_t n)
{
    uint8_t record[TLS_OVERHEAD_MAX + 8];
    assert(n <= 8);
    const size_t record_n = tls_record_seal(&d->records, d->lib->ciphers, content, p, n, record);
    if (record_n > 0)
        tls_socket_send(&d->base.socket, record, record_n);
}

static void send_alert(struct stream_detached *d, int level, int code)
{
    const uint8_t alert[2] = {(uint8_t)level, (uint8_t)code};
    send_record(d, TLS_CONTENT_ALERT, alert, sizeof(alert));
}

/* Send close_notify; the FIN follows. */
static void notify(struct stream_detached *d)
{
    d->base.socket.parting = true;
    send_alert(d, SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY);
    d->base.notified = d->records.notified = true;
}

static enum stream_result fail(struct stream_detached *d, const char *words)
{
    return tls_fail_stream(&d->base, words);
}

/* The peer broke a rule: send the alert, and set the error text that OpenSSL would use. */
static enum stream_result fail_record(struct stream_detached *d, const struct tls_record *record)
{
    if (record->alert == TLS_ALERT_NONE)
        return fail(d, record->reason);
    tls_set_fault(&d->base, "sent alert: %s (%s)", SSL_alert_desc_string_long(record->alert),
                  record->reason);
    d->base.alert_sent = record->alert;
    if (!d->base.notified)
        send_alert(d, SSL3_AL_FATAL, record->alert);
    d->base.dead = true;
    return STREAM_ERR;
}

static enum stream_result fail_received(struct stream_detached *d, uint8_t alert)
{
    tls_set_fault(&d->base, "received alert: %s", SSL_alert_desc_string_long(alert));
    d->base.alert_received = alert;
    d->base.dead = d->ended = true;
    return STREAM_ERR;
}

/* ---- reading ---------------------------------------------------------------------------- */

/* Received bytes: from `at` up to `n` of them are left. */
struct input {
    uint8_t *p;
    size_t at, n;
};

static bool answer(struct stream_detached *d, const struct tls_record *record)
{
    if (record->update) {
        uint8_t message[TLS_KEY_UPDATE_SIZE];
        const size_t n = tls_record_seal_update(&d->records, d->lib->ciphers, message);
        if (n == 0)
            return false;
        tls_socket_send(&d->base.socket, message, n);
    }
    if (record->no_renegotiation)
        send_alert(d, SSL3_AL_WARNING, SSL_AD_NO_RENEGOTIATION);
    return true;
}

/* Keep plaintext that the caller has no room for, and the input after it. False: out of memory. */
static bool hold(struct stream_detached *d, const uint8_t *plain, size_t plain_n,
                 const struct input *in, size_t room)
{
    const size_t cipher_n = in->n - in->at;
    assert(!d->held);
    if (plain_n == 0 && cipher_n <= sizeof(d->part)) {
        memcpy(d->part, in->p + in->at, cipher_n);
        d->part_n = (uint8_t)cipher_n;
        return true;
    }
    room = size_max(room, plain_n + cipher_n);
    struct tls_held *held = malloc(sizeof(*held) + room);
    if (!held)
        return false;
    *held = (struct tls_held){
        .plain_n = (uint32_t)plain_n, .n = (uint32_t)(plain_n + cipher_n), .room = (uint32_t)room};
    if (plain_n > 0)
        memcpy(held->bytes, plain, plain_n);
    memcpy(held->bytes + plain_n, in->p + in->at, cipher_n);
    d->held = held;
    return true;
}

static void drop_held(struct stream_detached *d)
{
    if (d->held)
        explicit_bzero(d->held->bytes, d->held->n);
    free(d->held);
    d->held = NULL;
}

/* Deliver plaintext that is held. */
static size_t take_held(struct stream_detached *d, uint8_t *p, size_t n)
{
    struct tls_held *held = d->held;
    const size_t taken = size_min(n, held->plain_n);
    memcpy(p, held->bytes + held->at, taken);
    held->at += (uint32_t)taken;
    held->plain_n -= (uint32_t)taken;
    if (held->at == held->n)
        drop_held(d);
    return taken;
}

/*
 * Records without data that one read processes. Handshake messages are bounded, but a long one may
 * come a byte at a time: the worker must not serve one peer for all of it.
 */
#define EMPTY_RECORDS_MAX 256u

/* A read in progress. */
struct reading {
    uint8_t *p;    /* the caller's memory */
    size_t n, got; /* its size; bytes delivered */
    struct input in;
    uint8_t *plain; /* plaintext for which there is no room */
    size_t plain_n;
    unsigned empty_n; /* records without data */
};

/* Length of the record at the input, or 0 if it is not known yet; STREAM_ERR if it is invalid. */
static enum stream_result next_length(struct stream_detached *d, const struct input *in,
                                      size_t *length)
{
    struct tls_record record;
    *length = 0;
    if (in->n - in->at < TLS_HEADER_SIZE)
        return STREAM_OK;
    *length = tls_record_length(&d->records, in->p + in->at, &record);
    return *length > 0 ? STREAM_OK : fail_record(d, &record);
}

/* Decrypt the record at the input, and deliver what it contains. */
static enum stream_result open_record(struct stream_detached *d, struct reading *r, size_t length)
{
    struct tls_plain plain;
    const struct span_out out = {r->p + r->got, r->n - r->got};
    const struct tls_record record =
        tls_record_open(&d->records, d->lib->ciphers, r->in.p + r->in.at, length, out, &plain);
    r->in.at += length;
    switch (record.kind) {
    case TLS_RECORD_DATA:
        break;
    case TLS_RECORD_NONE:
        r->empty_n++;
        return answer(d, &record) ? STREAM_OK : fail(d, "out of memory");
    case TLS_RECORD_CLOSE_NOTIFY:
        if (record.alert != TLS_ALERT_NONE)
            d->base.alert_received = record.alert;
        d->ended = true;
        return STREAM_EOF;
    case TLS_RECORD_ALERT:
        return fail_received(d, record.alert);
    default:
        return fail_record(d, &record);
    }
    if (plain.p != out.p) { /* it did not fit */
        const size_t first = size_min(plain.n, out.room);
        memcpy(out.p, plain.p, first);
        plain = (struct tls_plain){out.p, plain.p + first, first, plain.n - first};
    }
    r->got += plain.n;
    r->plain = plain.rest;
    r->plain_n = plain.rest_n;
    return STREAM_OK;
}

/*
 * Open the complete records of the input while there is room. OK: more input or more room is
 * needed; else the stream has ended or failed.
 */
static enum stream_result open_records(struct stream_detached *d, struct reading *r, size_t *length)
{
    for (;;) {
        enum stream_result result = next_length(d, &r->in, length);
        if (result != STREAM_OK)
            return result;
        const bool is_complete = *length > 0 && r->in.n - r->in.at >= *length;
        /* A record that may not fit is left for the next read, unless nothing was delivered yet. */
        if (!is_complete || r->plain_n > 0 || (r->got > 0 && r->n - r->got < *length))
            return STREAM_OK;
        result = open_record(d, r, *length);
        if (result != STREAM_OK)
            return result;
    }
}

/*
 * Bytes to ask the socket for. A large record and the header of the next one: if the next record is
 * also large, it is read exactly too, and only its header has to be kept.
 */
static size_t wanted(const struct input *in, size_t length)
{
    const size_t has = in->n - in->at;
    if (length >= LARGE_RECORD)
        return size_min(length - has + TLS_HEADER_SIZE, TLS_RECORD_MAX - has);
    return TLS_RECORD_MAX - has;
}

/* The socket's end or error. */
static enum stream_result receive_result(struct stream_detached *d, ssize_t r)
{
    if (r > 0)
        return STREAM_OK;
    if (r < 0)
        return errno == EAGAIN ? STREAM_WANT_READ : fail(d, strerrordesc_np(errno));
    d->ended = true; /* without close_notify: see SSL_OP_IGNORE_UNEXPECTED_EOF in settings.c */
    return STREAM_EOF;
}

/* Receive more of the held record, and append it to the bytes already held. */
static enum stream_result fill_held(struct stream_detached *d, struct reading *r)
{
    struct tls_held *held = d->held;
    const size_t cipher_n = held->n - held->at;
    const ssize_t got =
        tls_socket_receive(&d->base.socket, held->bytes + held->n, held->room - held->n);
    const enum stream_result result = receive_result(d, got);
    if (result != STREAM_OK)
        return result;
    held->n += (uint32_t)got;
    r->in = (struct input){held->bytes + held->at, 0, cipher_n + (size_t)got};
    return STREAM_OK;
}

/* Receive into the worker's room, after the partial header that was kept. */
static enum stream_result fill_room(struct stream_detached *d, struct reading *r, size_t length)
{
    struct input *in = &r->in;
    uint8_t *room = tls_ciphers_room(d->lib->ciphers).in;
    if (in->n > in->at)
        memmove(room, in->p + in->at, in->n - in->at);
    *in = (struct input){room, 0, in->n - in->at};
    const ssize_t got = tls_socket_receive(&d->base.socket, room + in->n, wanted(in, length));
    const enum stream_result result = receive_result(d, got);
    if (result == STREAM_OK)
        in->n += (size_t)got;
    return result;
}

/* Is `held` too small for the rest of its record? */
static bool is_full(const struct tls_held *held)
{
    return held->n == held->room;
}

/* Keep what was not delivered. `length`: of the incomplete record, or 0. */
static enum stream_result keep_rest(struct stream_detached *d, struct reading *r, size_t length)
{
    struct tls_held *before = d->held;
    if (before && r->plain_n == 0 && r->in.at == 0 && !is_full(before))
        return STREAM_OK; /* it is already in place */
    if (r->plain_n == 0 && r->in.at == r->in.n) {
        drop_held(d);
        return STREAM_OK;
    }
    d->held = NULL;
    const bool kept = hold(d, r->plain, r->plain_n, &r->in, r->plain_n == 0 ? length : 0);
    if (before)
        explicit_bzero(before->bytes, before->n);
    free(before);
    return kept ? STREAM_OK : fail(d, "out of memory");
}

/* The input that a read begins with: what is held, or a part of a header. */
static void begin_reading(struct stream_detached *d, struct reading *r)
{
    struct tls_held *held = d->held;
    if (held)
        r->in = (struct input){held->bytes + held->at, 0, held->n - held->at};
    else
        r->in = (struct input){d->part, 0, d->part_n};
    if (!held && d->part_n > 0) {
        uint8_t *room = tls_ciphers_room(d->lib->ciphers).in;
        memcpy(room, d->part, d->part_n);
        r->in.p = room;
        d->part_n = 0;
    }
}

static enum stream_result detached_read(struct stream *st, void *p, size_t n, size_t *got)
{
    struct stream_detached *d = detached_of(st);
    struct tls_socket *socket = &d->base.socket;
    struct reading r = {.p = p, .n = n};
    assert(n > 0);
    if (d->held && d->held->plain_n > 0) {
        *got = take_held(d, p, n);
        return STREAM_OK;
    }
    if (d->base.dead)
        return STREAM_ERR;
    if (d->ended)
        return STREAM_EOF;
    if (socket->unsent && tls_socket_flush(socket) == STREAM_WANT_WRITE &&
        tls_socket_unsent(socket) > TLS_UNSENT_MAX)
        return STREAM_WANT_WRITE;
    begin_reading(d, &r);
    enum stream_result result;
    size_t length;
    for (;;) {
        result = open_records(d, &r, &length);
        if (result == STREAM_OK && r.empty_n >= EMPTY_RECORDS_MAX)
            result = STREAM_WANT_WRITE; /* the socket is normally writable: called again soon */
        if (result != STREAM_OK || r.got > 0)
            break;
        if (d->held && (is_full(d->held) || r.in.at > 0)) {
            /* the rest of a record that shares the block with other data */
            enum stream_result kept = keep_rest(d, &r, length);
            if (kept != STREAM_OK)
                return kept;
            begin_reading(d, &r);
        }
        result = d->held ? fill_held(d, &r) : fill_room(d, &r, length);
        if (result != STREAM_OK)
            break;
    }
    if (result == STREAM_ERR || result == STREAM_EOF) {
        drop_held(d);
        if (r.got == 0)
            return result;
    } else if (keep_rest(d, &r, length) != STREAM_OK && r.got == 0) {
        return STREAM_ERR;
    }
    *got = r.got;
    return r.got > 0 ? STREAM_OK : result;
}

/* ---- writing ---------------------------------------------------------------------------- */

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
    return *n > 0 || fail(d, "out of memory") == STREAM_OK;
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
        if (record_n == 0)
            return fail(d, "out of memory") == STREAM_OK;
        at += part;
        out_n += record_n;
    }
    tls_socket_send(&d->base.socket, out, out_n);
    d->base.accepted_n = (uint16_t)n;
    return true;
}

static enum stream_result detached_write(struct stream *st, const void *p, size_t n, size_t *put)
{
    struct stream_detached *d = detached_of(st);
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

static enum stream_result detached_close_write(struct stream *st)
{
    struct stream_detached *d = detached_of(st);
    /* close_notify cannot follow a partial record. */
    const bool can_notify = !d->base.dead && !d->base.socket.send_error && d->base.accepted_n == 0;
    if (can_notify && !d->base.notified)
        notify(d);
    return tls_finish_close(&d->base, can_notify, d->ended);
}

/* ---- create and free -------------------------------------------------------------------- */

static enum stream_result detached_open(struct stream *st)
{
    (void)st;
    return STREAM_OK;
}

static enum stream_settled detached_settle(struct stream **st)
{
    (void)st;
    return STREAM_SETTLED;
}

static void detached_free(struct stream *st)
{
    struct stream_detached *d = detached_of(st);
    tls_records_fini(&d->records, d->lib->ciphers);
    drop_held(d);
    tls_socket_fini(&d->base.socket);
    close(d->base.socket.fd);
    free(d->base.fault);
    slab_free(d, sizeof(*d) + d->sni_n + d->alpn_n + d->cn_n + d->key_alg_n);
}

static const struct stream_ops detached_ops = {.open = detached_open,
                                               .read = detached_read,
                                               .write = detached_write,
                                               .close_write = detached_close_write,
                                               .settle = detached_settle,
                                               .free = detached_free,
                                               .error = stream_tls_error};

/* ---- facts ------------------------------------------------------------------------------ */

static uint8_t *append(uint8_t *to, const void *from, size_t n)
{
    return n > 0 ? mempcpy(to, from, n) : to; /* `from` may be null */
}

static void copy_facts(struct stream_detached *d, const struct tls_facts *facts)
{
    uint8_t *p = d->names;
    d->is_resumed = facts->resumed;
    d->has_certificate = facts->client_certificate;
    d->is_verified = facts->client_verified;
    d->cipher = facts->cipher;
    d->sig_alg = facts->sig_alg ? OBJ_sn2nid(facts->sig_alg) : NID_undef;
    d->sni_n = (uint16_t)facts->sni.n;
    d->alpn_n = (uint8_t)facts->alpn_n;
    d->cn_n = (uint16_t)facts->cn.n;
    d->key_alg_n = (uint8_t)strlen(facts->key_alg);
    p = append(p, facts->sni.p, d->sni_n);
    p = append(p, facts->alpn, d->alpn_n);
    p = append(p, facts->cn.p, d->cn_n);
    (void)append(p, facts->key_alg, d->key_alg_n);
}

void stream_detached_facts(const struct stream_detached *d, struct tls_facts *out)
{
    const uint8_t *alpn = d->names + d->sni_n, *cn = alpn + d->alpn_n;
    *out = (struct tls_facts){.version = d->records.is_tls13 ? "TLSv1.3" : "TLSv1.2",
                              .cipher = d->cipher,
                              .sni = span_of(d->sni_n > 0 ? d->names : NULL, d->sni_n),
                              .alpn = d->alpn_n > 0 ? alpn : NULL,
                              .alpn_n = d->alpn_n,
                              .resumed = d->is_resumed,
                              .detached = true,
                              .client_certificate = d->has_certificate,
                              .client_verified = d->is_verified,
                              .cn = span_of(d->cn_n > 0 ? cn : NULL, d->cn_n),
                              .sig_alg = d->sig_alg ? OBJ_nid2sn(d->sig_alg) : NULL};
    memcpy(out->key_alg, cn + d->cn_n, d->key_alg_n);
}

struct stream *stream_detached_new(const struct tls_base *base, const struct tls_library *lib,
                                   const struct tls_records *records, const struct tls_facts *facts)
{
    const size_t names_n = facts->sni.n + facts->alpn_n + facts->cn.n + strlen(facts->key_alg);
    struct stream_detached *d = slab_alloc(sizeof(*d) + names_n);
    if (!d)
        return NULL;
    *d = (struct stream_detached){.base = *base, .lib = lib, .records = *records};
    d->base.stream.ops = &detached_ops;
    d->base.is_detached = true;
    copy_facts(d, facts);
    return &d->base.stream;
}
