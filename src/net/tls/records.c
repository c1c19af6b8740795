/*
 * records.c - the records of an established TLS connection.
 *
 *    record --header--> length --AEAD--> content type --+--> data
 *                                                       +--> alert
 *                                                       +--> handshake message: KeyUpdate, ticket,
 *                                                            request for a renegotiation
 *
 * The order of the checks, and with it the alert for a record that breaks several rules, is that of
 * OpenSSL 3.0.
 */
#include "records.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <string.h>

#define EXPLICIT_NONCE_SIZE 8u /* TLS 1.2 with AES-GCM: RFC 5288 section 3 */

/* OpenSSL's limits of consecutive records without content, and of warnings. */
#define EMPTY_MAX   32u
#define WARNING_MAX 4u

/* Maximum number of handshake messages between two data records. See STEPS_MAX in stream.c for
 * attached connections. */
#define CONTROL_MAX 64u

/* A record of this many bytes beyond the room is split: the padding and content type of TLS 1.3. */
#define SPLIT_MAX      320u
#define SPLIT_ROOM_MIN 4096u

#define KEY_RECORDS_MAX (1ull << 24)

/* OpenSSL's limits of a handshake message's body. */
#define CLIENT_HELLO_MAX 131396u
#define TICKET_MAX       131338u

enum {
    MESSAGE_HELLO_REQUEST = 0,
    MESSAGE_CLIENT_HELLO = 1,
    MESSAGE_NEW_SESSION_TICKET = 4,
    MESSAGE_KEY_UPDATE = 24
};

static struct tls_record fault(int alert, const char *reason)
{
    return (struct tls_record){.kind = TLS_RECORD_FAULT, .alert = (uint8_t)alert, .reason = reason};
}

static struct tls_record handled(void)
{
    return (struct tls_record){.kind = TLS_RECORD_NONE, .alert = TLS_ALERT_NONE};
}

static bool has_explicit_nonce(const struct tls_records *r)
{
    return !r->is_tls13 && r->suite != TLS_SUITE_CHACHA20_POLY1305;
}

/* ---- encryption ------------------------------------------------------------------------- */

static void put_be64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (56 - 8 * i));
}

/* The nonce of the next record; `explicit_nonce` is read from or written to the record. */
static void make_nonce(const struct tls_records *r, const struct tls_traffic *t,
                       const uint8_t *explicit_nonce, uint8_t nonce[TLS_IV_SIZE])
{
    memcpy(nonce, t->iv, TLS_IV_SIZE);
    if (has_explicit_nonce(r)) {
        memcpy(nonce + TLS_IV_SIZE - EXPLICIT_NONCE_SIZE, explicit_nonce, EXPLICIT_NONCE_SIZE);
        return;
    }
    uint8_t sequence[8];
    put_be64(sequence, t->sequence);
    for (size_t i = 0; i < 8; i++)
        nonce[TLS_IV_SIZE - 8 + i] ^= sequence[i];
}

/* The additional data: the header in TLS 1.3; RFC 5246 section 6.2.3.3 for 1.2. Returns its size.
 */
static size_t make_aad(const struct tls_records *r, const struct tls_traffic *t,
                       const uint8_t *header, size_t content_n, uint8_t aad[13])
{
    if (r->is_tls13) {
        memcpy(aad, header, TLS_HEADER_SIZE);
        return TLS_HEADER_SIZE;
    }
    put_be64(aad, t->sequence);
    memcpy(aad + 8, header, 3);
    aad[11] = (uint8_t)(content_n >> 8);
    aad[12] = (uint8_t)content_n;
    return 13;
}

/* One call of the cipher; n may be 0. */
static bool update(EVP_CIPHER_CTX *context, uint8_t *out, const uint8_t *in, size_t n)
{
    int moved;
    return n == 0 || EVP_CipherUpdate(context, out, &moved, in, (int)n) == 1;
}

/* (key, sequence) pairs must strictly increase: a nonce that is used twice reveals the plaintext.
 */
static void check_numbers(struct tls_traffic *t)
{
#ifdef CHECK_RECORD_NUMBERS
    if (memcmp(t->sealed_key, t->key, sizeof(t->key)) != 0) {
        memcpy(t->sealed_key, t->key, sizeof(t->key));
        t->sealed = 0;
    }
    assert(t->sequence >= t->sealed);
    t->sealed = t->sequence + 1;
#else
    (void)t;
#endif
}

void tls_traffic_next_nonce(struct tls_traffic *t)
{
    for (size_t i = TLS_IV_SIZE; i-- > TLS_IV_SIZE - EXPLICIT_NONCE_SIZE;)
        if (++t->iv[i] != 0)
            return;
}

/*
 * Encrypt content and, in TLS 1.3, the byte of its type. `out` begins at the header, which is
 * written. The record number is consumed even if this fails.
 */
static bool seal(struct tls_records *r, EVP_CIPHER_CTX *context, const uint8_t *p, size_t n,
                 uint8_t *out, uint8_t content)
{
    struct tls_traffic *t = &r->sent;
    uint8_t nonce[TLS_IV_SIZE], aad[13];
    uint8_t *body = out + TLS_HEADER_SIZE;
    const uint8_t *explicit_nonce = t->iv + TLS_IV_SIZE - EXPLICIT_NONCE_SIZE;
    int moved;
    make_nonce(r, t, explicit_nonce, nonce);
    const size_t aad_n = make_aad(r, t, out, n, aad);
    if (has_explicit_nonce(r)) {
        memcpy(body, explicit_nonce, EXPLICIT_NONCE_SIZE);
        body += EXPLICIT_NONCE_SIZE;
        tls_traffic_next_nonce(t);
    }
    check_numbers(t);
    t->sequence++;
    if (EVP_CipherInit_ex(context, NULL, NULL, NULL, nonce, 1) != 1 ||
        EVP_CipherUpdate(context, NULL, &moved, aad, (int)aad_n) != 1 ||
        !update(context, body, p, n) || !update(context, body + n, &content, r->is_tls13) ||
        EVP_CipherFinal_ex(context, body + n + r->is_tls13, &moved) != 1)
        return false;
    return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TLS_TAG_SIZE,
                               body + n + r->is_tls13) == 1;
}

size_t tls_record_seal(struct tls_records *r, struct tls_ciphers *c, enum tls_content content,
                       const void *p, size_t n, uint8_t *out)
{
    const size_t body_n =
        n + r->is_tls13 + (has_explicit_nonce(r) ? EXPLICIT_NONCE_SIZE : 0) + TLS_TAG_SIZE;
    assert(n <= TLS_PLAIN_MAX);
    if (r->sent.sequence == UINT64_MAX)
        return 0;
    EVP_CIPHER_CTX *context = tls_ciphers_context(c, (enum tls_suite)r->suite, &r->sent, true);
    if (!context)
        return 0;
    out[0] = r->is_tls13 ? TLS_CONTENT_DATA : (uint8_t)content;
    out[1] = out[2] = 3; /* TLS 1.2; 1.3 has the same */
    out[3] = (uint8_t)(body_n >> 8);
    out[4] = (uint8_t)body_n;
    return seal(r, context, p, n, out, (uint8_t)content) ? TLS_HEADER_SIZE + body_n : 0;
}

size_t tls_record_seal_update(struct tls_records *r, struct tls_ciphers *c, uint8_t *out)
{
    static const uint8_t message[5] = {MESSAGE_KEY_UPDATE, 0, 0, 1, 0 /* update_not_requested */};
    assert(r->is_tls13);
    size_t n = tls_record_seal(r, c, TLS_CONTENT_HANDSHAKE, message, sizeof(message), out);
    return n > 0 && tls_traffic_update(c, (enum tls_suite)r->suite, &r->sent) ? n : 0;
}

bool tls_records_key_is_used_up(const struct tls_records *r)
{
    return r->suite != TLS_SUITE_CHACHA20_POLY1305 && r->sent.sequence >= KEY_RECORDS_MAX;
}

/* ---- headers ---------------------------------------------------------------------------- */

size_t tls_record_length(const struct tls_records *r, const uint8_t header[TLS_HEADER_SIZE],
                         struct tls_record *out)
{
    const size_t n = (size_t)header[3] << 8 | header[4];
    if (r->is_tls13 && header[1] == 3 && header[0] != TLS_CONTENT_DATA)
        *out = fault(SSL_AD_UNEXPECTED_MESSAGE, "bad record type");
    else if (header[1] != 3 || (!r->is_tls13 && header[2] != 3))
        *out = fault(SSL_AD_PROTOCOL_VERSION, "wrong version number");
    else if (header[2] != 3)
        *out = fault(SSL_AD_DECODE_ERROR, "wrong version number");
    else if (n > TLS_RECORD_MAX - TLS_HEADER_SIZE)
        *out = fault(SSL_AD_RECORD_OVERFLOW, "encrypted length too long");
    else
        return TLS_HEADER_SIZE + n;
    return 0;
}

/* ---- decryption ------------------------------------------------------------------------- */

/* A record's encrypted part, and where its content goes. */
struct work {
    uint8_t *body;
    size_t n; /* without the tag */
    struct tls_plain plain;
};

/* Decide where the content goes: to `out`, to `out` except for its last bytes, or in place. */
static void place(struct work *w, struct span_out out)
{
    size_t first = 0;
    if (w->n <= out.room)
        first = w->n;
    else if (out.room >= SPLIT_ROOM_MIN && w->n - out.room <= SPLIT_MAX)
        first = out.room;
    if (first > 0)
        w->plain = (struct tls_plain){out.p, w->body + first, first, w->n - first};
    else
        w->plain = (struct tls_plain){w->body, w->body + w->n, w->n, 0};
}

static bool decrypt(struct tls_records *r, EVP_CIPHER_CTX *context, const uint8_t *header,
                    const struct work *w)
{
    struct tls_traffic *t = &r->received;
    uint8_t nonce[TLS_IV_SIZE], aad[13], end[TLS_TAG_SIZE];
    int moved;
    make_nonce(r, t, w->body - EXPLICIT_NONCE_SIZE, nonce);
    const size_t aad_n = make_aad(r, t, header, w->n, aad);
    t->sequence++;
    return EVP_CipherInit_ex(context, NULL, NULL, NULL, nonce, 0) == 1 &&
           EVP_CipherUpdate(context, NULL, &moved, aad, (int)aad_n) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TLS_TAG_SIZE, w->body + w->n) == 1 &&
           update(context, w->plain.p, w->body, w->plain.n) &&
           update(context, w->plain.rest, w->body + w->plain.n, w->plain.rest_n) &&
           EVP_CipherFinal_ex(context, end, &moved) == 1;
}

/* Remove padding and content type of a TLS 1.3 record. Returns the type; 0 if there is none. */
static uint8_t strip(struct tls_plain *plain)
{
    while (plain->rest_n > 0 && plain->rest[plain->rest_n - 1] == 0)
        plain->rest_n--;
    if (plain->rest_n > 0)
        return plain->rest[--plain->rest_n];
    while (plain->n > 0 && plain->p[plain->n - 1] == 0)
        plain->n--;
    return plain->n > 0 ? plain->p[--plain->n] : 0;
}

/* ---- alerts ----------------------------------------------------------------------------- */

static struct tls_record read_alert(struct tls_records *r, const struct tls_plain *plain)
{
    if (plain->n != 2 || plain->rest_n > 0)
        return fault(SSL_AD_UNEXPECTED_MESSAGE, "invalid alert");
    const bool warning = plain->p[0] == SSL3_AL_WARNING;
    const uint8_t code = plain->p[1];
    if (r->is_tls13 ? code == SSL_AD_USER_CANCELLED : warning)
        if (++r->warning_n > WARNING_MAX)
            return fault(SSL_AD_UNEXPECTED_MESSAGE, "too many warn alerts");
    if (r->is_tls13 && code == SSL_AD_USER_CANCELLED)
        return handled();
    if (code == SSL_AD_CLOSE_NOTIFY && (r->is_tls13 || warning))
        return (struct tls_record){.kind = TLS_RECORD_CLOSE_NOTIFY,
                                   .alert = warning ? TLS_ALERT_NONE : SSL_AD_CLOSE_NOTIFY};
    if (r->is_tls13 || plain->p[0] == SSL3_AL_FATAL)
        return (struct tls_record){.kind = TLS_RECORD_ALERT, .alert = code};
    if (code == SSL_AD_NO_RENEGOTIATION)
        return fault(SSL_AD_HANDSHAKE_FAILURE, "no renegotiation");
    if (warning)
        return handled();
    return fault(SSL_AD_ILLEGAL_PARAMETER, "unknown alert type");
}

/* ---- handshake messages ----------------------------------------------------------------- */

/* The longest body of a message that may come now; 0 bytes is a limit too. -1: unexpected. */
static long body_max(const struct tls_records *r)
{
    switch (r->message[0]) {
    case MESSAGE_KEY_UPDATE:
        return r->is_tls13 ? 1 : -1;
    case MESSAGE_NEW_SESSION_TICKET: /* never from a client */
        return r->is_tls13 && !r->is_server ? (long)TICKET_MAX : -1;
    case MESSAGE_CLIENT_HELLO:
        return !r->is_tls13 && r->is_server ? (long)CLIENT_HELLO_MAX : -1;
    case MESSAGE_HELLO_REQUEST:
        return !r->is_tls13 && !r->is_server ? 0 : -1;
    default:
        return -1;
    }
}

static struct tls_record end_key_update(struct tls_records *r, struct tls_ciphers *c, size_t body_n,
                                        bool is_last)
{
    if (!is_last)
        return fault(SSL_AD_UNEXPECTED_MESSAGE, "not on record boundary");
    if (body_n != 1)
        return fault(SSL_AD_DECODE_ERROR, "bad key update");
    if (r->message[4] > 1)
        return fault(SSL_AD_ILLEGAL_PARAMETER, "bad key update");
    if (!tls_traffic_update(c, (enum tls_suite)r->suite, &r->received))
        return fault(SSL_AD_INTERNAL_ERROR, "out of memory");
    struct tls_record answer = handled();
    answer.update = r->message[4] == 1 && !r->notified;
    return answer;
}

/* A message is complete. `is_last`: nothing follows it in its record. */
static struct tls_record end_message(struct tls_records *r, struct tls_ciphers *c, size_t body_n,
                                     bool is_last)
{
    struct tls_record answer = handled();
    r->message_n = 0;
    if (r->message[0] == MESSAGE_KEY_UPDATE)
        return end_key_update(r, c, body_n, is_last);
    answer.no_renegotiation = r->message[0] != MESSAGE_NEW_SESSION_TICKET;
    return answer;
}

static size_t body_size(const struct tls_records *r)
{
    return (size_t)r->message[1] << 16 | (size_t)r->message[2] << 8 | r->message[3];
}

/* The header of a message is complete. */
static struct tls_record begin_message(struct tls_records *r)
{
    const long max = body_max(r);
    if (max < 0)
        return fault(SSL_AD_UNEXPECTED_MESSAGE, "unexpected message");
    if (body_size(r) > (size_t)max)
        return fault(SSL_AD_ILLEGAL_PARAMETER, "excessive message size");
    if (++r->control_n > CONTROL_MAX)
        return fault(TLS_ALERT_NONE, "too many key updates or renegotiations");
    r->message_left = (uint32_t)body_size(r);
    return handled();
}

/* Take bytes of handshake messages, which may begin and end anywhere. */
static struct tls_record read_messages(struct tls_records *r, struct tls_ciphers *c,
                                       const uint8_t *p, size_t n, bool more_follows)
{
    struct tls_record sum = handled();
    while (n > 0) {
        if (r->message_n < 4) {
            r->message[r->message_n++] = *p++;
            n--;
            if (r->message_n < 4)
                continue;
            struct tls_record begun = begin_message(r);
            if (begun.kind == TLS_RECORD_FAULT)
                return begun;
        } else {
            const size_t taken = size_min(n, r->message_left);
            if (r->message_n == 4 && taken > 0)
                r->message[r->message_n++] = *p;
            p += taken;
            n -= taken;
            r->message_left -= (uint32_t)taken;
        }
        if (r->message_left > 0)
            continue;
        struct tls_record ended = end_message(r, c, body_size(r), n == 0 && !more_follows);
        if (ended.kind == TLS_RECORD_FAULT)
            return ended;
        sum.update |= ended.update;
        sum.no_renegotiation |= ended.no_renegotiation;
    }
    return sum;
}

static struct tls_record read_handshake(struct tls_records *r, struct tls_ciphers *c,
                                        const struct tls_plain *plain)
{
    if (r->notified && !r->is_tls13)
        return handled(); /* no answer can be sent */
    struct tls_record first = read_messages(r, c, plain->p, plain->n, plain->rest_n > 0);
    if (first.kind == TLS_RECORD_FAULT || plain->rest_n == 0)
        return first;
    struct tls_record second = read_messages(r, c, plain->rest, plain->rest_n, false);
    second.update |= first.update;
    second.no_renegotiation |= first.no_renegotiation;
    return second;
}

/* ---- a record --------------------------------------------------------------------------- */

static struct tls_record read_content(struct tls_records *r, struct tls_ciphers *c, uint8_t content,
                                      const struct tls_plain *plain)
{
    const bool is_empty = plain->n == 0;
    if (r->is_tls13 && is_empty && content != TLS_CONTENT_DATA)
        return fault(SSL_AD_UNEXPECTED_MESSAGE, "bad length");
    if (is_empty && ++r->empty_n > EMPTY_MAX)
        return fault(SSL_AD_UNEXPECTED_MESSAGE, "record too small");
    if (is_empty && (content == TLS_CONTENT_DATA || content == TLS_CONTENT_HANDSHAKE))
        return handled();
    if (!is_empty)
        r->empty_n = 0;
    if (content != TLS_CONTENT_ALERT)
        r->warning_n = 0;
    if (r->message_n > 0 && content != TLS_CONTENT_HANDSHAKE &&
        (r->is_tls13 || (content == TLS_CONTENT_DATA && r->message_n >= 4)))
        return r->message_n < 4
                   ? fault(SSL_AD_UNEXPECTED_MESSAGE, "mixed handshake and non handshake data")
                   : fault(SSL_AD_UNEXPECTED_MESSAGE, "unexpected record");
    switch (content) {
    case TLS_CONTENT_DATA:
        r->control_n = 0;
        return (struct tls_record){.kind = TLS_RECORD_DATA, .alert = TLS_ALERT_NONE};
    case TLS_CONTENT_ALERT:
        return read_alert(r, plain);
    case TLS_CONTENT_HANDSHAKE:
        return read_handshake(r, c, plain);
    case TLS_CONTENT_CHANGE_CIPHER_SPEC:
        return fault(SSL_AD_UNEXPECTED_MESSAGE, "ccs received early");
    default:
        return fault(SSL_AD_UNEXPECTED_MESSAGE, "unexpected record");
    }
}

struct tls_record tls_record_open(struct tls_records *r, struct tls_ciphers *c, uint8_t *p,
                                  size_t n, struct span_out out, struct tls_plain *plain)
{
    const size_t nonce_n = has_explicit_nonce(r) ? EXPLICIT_NONCE_SIZE : 0;
    if (n < TLS_HEADER_SIZE + nonce_n + TLS_TAG_SIZE + r->is_tls13)
        return fault(SSL_AD_BAD_RECORD_MAC, "decryption failed or bad record mac");
    if (r->received.sequence == UINT64_MAX)
        return fault(TLS_ALERT_NONE, "too many records");
    EVP_CIPHER_CTX *context = tls_ciphers_context(c, (enum tls_suite)r->suite, &r->received, false);
    if (!context)
        return fault(SSL_AD_INTERNAL_ERROR, "out of memory");
    struct work w = {.body = p + TLS_HEADER_SIZE + nonce_n,
                     .n = n - TLS_HEADER_SIZE - nonce_n - TLS_TAG_SIZE};
    place(&w, out);
    if (!decrypt(r, context, p, &w)) {
        OPENSSL_cleanse(w.plain.p, w.plain.n); /* authentication failed */
        OPENSSL_cleanse(w.plain.rest, w.plain.rest_n);
        return fault(SSL_AD_BAD_RECORD_MAC, "decryption failed or bad record mac");
    }
    const uint8_t content = r->is_tls13 ? strip(&w.plain) : p[0];
    if (r->is_tls13 && content != TLS_CONTENT_DATA && content != TLS_CONTENT_ALERT &&
        content != TLS_CONTENT_HANDSHAKE)
        return fault(SSL_AD_UNEXPECTED_MESSAGE, "bad record type");
    if (w.plain.n + w.plain.rest_n > r->max_fragment)
        return fault(SSL_AD_RECORD_OVERFLOW, "data length too long");
    *plain = w.plain;
    return read_content(r, c, content, &w.plain);
}

void tls_records_fini(struct tls_records *r, struct tls_ciphers *c)
{
    tls_ciphers_forget(c, &r->received);
    tls_ciphers_forget(c, &r->sent);
    OPENSSL_cleanse(r, sizeof(*r));
}
