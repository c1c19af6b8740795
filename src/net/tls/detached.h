/*
 * detached.h - a TLS stream without OpenSSL's SSL: keys, record numbers, and the facts of its
 * handshake, in about 330 bytes instead of 15 to 30 KiB. Private to net/tls.
 */
#ifndef NET_TLS_DETACHED_H
#define NET_TLS_DETACHED_H

#include <stdbool.h>
#include <stdint.h>

#include "base.h"
#include "internal.h"
#include "net/stream.h"
#include "net/tls/context.h"
#include "records.h"

/* Bytes that were received and not delivered: plaintext, then the beginning of a record. */
struct tls_held {
    uint32_t at, plain_n; /* undelivered plaintext */
    uint32_t n, room;     /* bytes in all; size of `bytes` */
    uint8_t bytes[];
};

struct stream_detached {
    struct tls_base base;
    const struct tls_library *lib;
    struct tls_held *held; /* owned; null = nothing, or no more than `part` */
    struct tls_records records;
    uint8_t part_n, part[5]; /* the beginning of a record's header */
    bool ended;              /* the peer's close_notify or FIN was read */

    /* the facts of the handshake, see struct tls_facts */
    bool is_resumed, has_certificate, is_verified;
    uint8_t alpn_n, key_alg_n;
    uint16_t sni_n, cn_n;
    int sig_alg; /* NID */
    const char *cipher;
    uint8_t names[]; /* server name, ALPN, common name, key algorithm */
};

/* The detached stream; null if `st` is attached. */
static inline struct stream_detached *stream_detached_of(struct stream *st)
{
    struct tls_base *base = tls_base_of(st);
    return base->is_detached ? CONTAINER_OF(base, struct stream_detached, base) : NULL;
}

/*
 * A detached stream with copies of all arguments. It takes the socket, its unsent bytes and the
 * error text of `base`, and the keys, which the caller must wipe. Returns null if out of memory,
 * and then takes nothing.
 */
MUST_USE struct stream *stream_detached_new(const struct tls_base *base,
                                            const struct tls_library *lib,
                                            const struct tls_records *records,
                                            const struct tls_facts *facts);

/* The operations of a detached stream. */
enum stream_result stream_detached_read(struct stream *st, void *p, size_t n, size_t *got);
enum stream_result stream_detached_write(struct stream *st, const void *p, size_t n, size_t *put);
enum stream_result stream_detached_close_write(struct stream *st);

/* Wipe and free what was received and not delivered. */
void stream_detached_drop_held(struct stream_detached *d);

/* Send an alert (RFC 8446 section 6) after all unsent bytes. */
void stream_detached_send_alert(struct stream_detached *d, int level, int code);

/* Send what the peer's record requires: a KeyUpdate, or a warning. False if OpenSSL fails. */
MUST_USE bool stream_detached_respond(struct stream_detached *d, const struct tls_record *record);

void stream_detached_facts(const struct stream_detached *d, struct tls_facts *out);

#endif
