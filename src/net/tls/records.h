/*
 * records.h - the records of an established TLS 1.2 or 1.3 connection, without OpenSSL's SSL.
 *
 * Pure: bytes in, bytes out, no I/O, no clock; memory only for cipher contexts. AES-GCM and
 * ChaCha20-Poly1305 in both roles. There is no handshake: keys come from one that OpenSSL has
 * finished. A bad record gets the same alert that OpenSSL would send; the tests verify this.
 *
 * Source: RFC 8446 sections 4.6.3, 5 and 6; RFC 5246 sections 6 and 7.2; RFC 5288; RFC 7905.
 * Private to net/tls.
 */
#ifndef NET_TLS_RECORDS_H
#define NET_TLS_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ciphers.h"

#define TLS_HEADER_SIZE 5u
#define TLS_PLAIN_MAX   16384u /* RFC 8446 section 5.1 */
/* RFC 8446 section 5.2. TLS 1.2 allows more, but these suites never need it. */
#define TLS_RECORD_MAX   (TLS_HEADER_SIZE + 16384u + 256u)
#define TLS_OVERHEAD_MAX (TLS_HEADER_SIZE + 8u + TLS_TAG_SIZE)
#define TLS_FRAGMENT_MIN 512u /* RFC 6066 section 4 */
#define TLS_WRITE_MAX    (TLS_PLAIN_MAX + (TLS_PLAIN_MAX / TLS_FRAGMENT_MIN + 2u) * TLS_OVERHEAD_MAX)

enum tls_content {
    TLS_CONTENT_CHANGE_CIPHER_SPEC = 20,
    TLS_CONTENT_ALERT = 21,
    TLS_CONTENT_HANDSHAKE = 22,
    TLS_CONTENT_DATA = 23
};

/* State of a connection. Zero it, then set the first group. */
struct tls_records {
    struct tls_traffic received, sent;
    uint16_t max_fragment; /* bytes of plaintext in a record, in both directions */
    uint8_t suite;         /* enum tls_suite */
    bool is_tls13;
    bool is_server;
    bool notified; /* close_notify was sent: send no more responses */

    uint8_t message_n;          /* bytes of the header of a handshake message */
    uint8_t message[5];         /* header, and the first byte of the body */
    uint8_t empty_n, warning_n; /* consecutive empty records and warning alerts */
    uint8_t control_n;          /* handshake messages since the last data record */
    uint32_t message_left;      /* bytes of the body still to come */
};

enum tls_record_kind {
    TLS_RECORD_DATA,         /* plaintext of the application, at least one byte */
    TLS_RECORD_NONE,         /* no data: an empty record, or a control message; handled */
    TLS_RECORD_CLOSE_NOTIFY, /* the peer has ended its direction */
    TLS_RECORD_ALERT,        /* the peer has ended the connection: `alert` */
    TLS_RECORD_FAULT         /* `alert` must be sent, and the connection ends */
};

/* What a record is, or which rule it breaks. */
struct tls_record {
    uint8_t kind;          /* enum tls_record_kind */
    uint8_t alert;         /* RFC 8446 section 6; TLS_ALERT_NONE = end without one */
    bool update;           /* answer with a KeyUpdate */
    bool no_renegotiation; /* answer with that warning */
    const char *reason;    /* static; for a fault */
};
#define TLS_ALERT_NONE 255u

/*
 * Length of the record that begins with this header, 5 to TLS_RECORD_MAX bytes with the header.
 * Returns 0 if no record can begin with this header; *out then describes the fault.
 */
MUST_USE size_t tls_record_length(const struct tls_records *r,
                                  const uint8_t header[TLS_HEADER_SIZE], struct tls_record *out);

/* Memory to write to. */
struct span_out {
    uint8_t *p;
    size_t room;
};

/* The content of a record, in one or two pieces. */
struct tls_plain {
    uint8_t *p, *rest;
    size_t n, rest_n;
};

/*
 * Decrypt a complete record.
 *
 *   p, n        the record with its header; n as tls_record_length() returned; overwritten
 *   out, room   where the content should go. It is left inside p if it does not fit there, except
 *               for a few last bytes: `plain` says where it is
 *   plain       set for TLS_RECORD_DATA; never anything that could not be authenticated
 */
MUST_USE struct tls_record tls_record_open(struct tls_records *r, struct tls_ciphers *c, uint8_t *p,
                                           size_t n, struct span_out out, struct tls_plain *plain);

/*
 * Encrypt n bytes (at most max_fragment) of one content type as a record. `out` has room for
 * n + TLS_OVERHEAD_MAX bytes. Returns the record's length; 0 if OpenSSL fails, or if no more
 * records may be sent under this key; the caller must then stop sending.
 */
MUST_USE size_t tls_record_seal(struct tls_records *r, struct tls_ciphers *c,
                                enum tls_content content, const void *p, size_t n, uint8_t *out);

/*
 * Write a KeyUpdate that does not request one in return, and switch to the next key. `out` has room
 * for TLS_KEY_UPDATE_SIZE bytes. Returns its length, 0 on failure as tls_record_seal().
 */
#define TLS_KEY_UPDATE_SIZE (5u + TLS_OVERHEAD_MAX)
MUST_USE size_t tls_record_seal_update(struct tls_records *r, struct tls_ciphers *c, uint8_t *out);

/*
 * Has the key reached its usage limit? TLS 1.3 must then send a KeyUpdate, TLS 1.2 must end the
 * connection.
 * Source: RFC 8446 section 5.5: 2^24.5 full-size records with AES-GCM.
 */
bool tls_records_key_is_used_up(const struct tls_records *r);

/* TLS 1.2 with AES-GCM: advance to the next explicit nonce, the last 8 bytes of the IV. */
void tls_traffic_next_nonce(struct tls_traffic *t);

/* Wipe the keys. */
void tls_records_fini(struct tls_records *r, struct tls_ciphers *c);

#endif
