/*
 * detached_read.c - read from a detached TLS stream.
 *
 *    socket --recv--> in --tls_record_open()--> caller's memory        in: the worker's
 *                     |
 *                     +--> held: what is not a complete record yet, or does not fit
 */
#include <assert.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "detached.h"

/* A record of this size or more is read exactly, so that no part of the next one has to be kept. */
#define LARGE_RECORD 4096u

/* The peer broke a rule: send the alert, and set the error text that OpenSSL would use. */
static enum stream_result fail_record(struct stream_detached *d, const struct tls_record *record)
{
    if (record->alert == TLS_ALERT_NONE)
        return tls_fail_stream(&d->base, record->reason);
    tls_set_fault(&d->base, "sent alert: %s (%s)", SSL_alert_desc_string_long(record->alert),
                  record->reason);
    d->base.alert_sent = record->alert;
    if (!d->base.notified)
        stream_detached_send_alert(d, SSL3_AL_FATAL, record->alert);
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

/* Received bytes: from `at` up to `n` of them are left. */
struct input {
    uint8_t *p;
    size_t at, n;
};

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

void stream_detached_drop_held(struct stream_detached *d)
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
        stream_detached_drop_held(d);
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
        return stream_detached_respond(d, &record) ? STREAM_OK
                                                   : tls_fail_stream(&d->base, "out of memory");
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
        return errno == EAGAIN ? STREAM_WANT_READ
                               : tls_fail_stream(&d->base, strerrordesc_np(errno));
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
        stream_detached_drop_held(d);
        return STREAM_OK;
    }
    d->held = NULL;
    const bool kept = hold(d, r->plain, r->plain_n, &r->in, r->plain_n == 0 ? length : 0);
    if (before)
        explicit_bzero(before->bytes, before->n);
    free(before);
    return kept ? STREAM_OK : tls_fail_stream(&d->base, "out of memory");
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

enum stream_result stream_detached_read(struct stream *st, void *p, size_t n, size_t *got)
{
    struct stream_detached *d = stream_detached_of(st);
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
        stream_detached_drop_held(d);
        if (r.got == 0)
            return result;
    } else if (keep_rest(d, &r, length) != STREAM_OK && r.got == 0) {
        return STREAM_ERR;
    }
    *got = r.got;
    return r.got > 0 ? STREAM_OK : result;
}
