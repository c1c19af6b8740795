/*
 * secrets.c - the traffic secrets and record numbers of a connection that OpenSSL handles.
 *
 * OpenSSL passes TLS 1.3 secrets only to the key log callback. Its message callback counts records:
 * it gets the header of every record, and the messages after which a new key is used.
 *
 *    Finished in TLS 1.3: its record was the last under the handshake key
 *    Finished in TLS 1.2: its record was the first under the key
 *    KeyUpdate:           its record was the last under the old key
 */
#include "secrets.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "net/stream.h"
#include "records.h"
#include "stream.h"

/* ---- recording -------------------------------------------------------------------------- */

static struct tls_secrets *secrets_of(const SSL *ssl)
{
    return SSL_get_rbio(ssl) ? stream_tls_of_ssl(ssl)->secrets : NULL;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Read a secret in hexadecimal. Returns its length, 0 if it is not valid. */
static uint8_t read_secret(const char *hex, uint8_t out[TLS_SECRET_MAX])
{
    size_t n = 0;
    for (; digit(hex[0]) >= 0 && digit(hex[1]) >= 0; hex += 2) {
        if (n == TLS_SECRET_MAX)
            return 0;
        out[n++] = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
    }
    return *hex == '\0' ? (uint8_t)n : 0;
}

/* A line of the key log: "LABEL CLIENT_RANDOM SECRET". OpenSSL wipes it afterwards. */
static void note_line(const SSL *ssl, const char *line)
{
    static const char client[] = "CLIENT_TRAFFIC_SECRET_0 ", server[] = "SERVER_TRAFFIC_SECRET_0 ";
    struct tls_secrets *s = secrets_of(ssl);
    const char *hex = strrchr(line, ' ');
    if (!s || !hex)
        return;
    if (strncmp(line, client, sizeof(client) - 1) == 0)
        s->client_n = read_secret(hex + 1, s->client);
    else if (strncmp(line, server, sizeof(server) - 1) == 0)
        s->server_n = read_secret(hex + 1, s->server);
    else
        return;
    SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), NULL); /* until the next note_finished() */
}

/*
 * OpenSSL now computes a traffic secret, in the same call. The callback is set only for this:
 * OpenSSL formats each of the five secrets of a handshake byte by byte, which takes 5 us.
 */
static void note_finished(SSL *ssl, uint64_t *records)
{
    const bool is_tls13 = SSL_version(ssl) >= TLS1_3_VERSION;
    *records = is_tls13 ? 0 : 1;
    if (is_tls13)
        SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), note_line);
}

static void note_message(int is_sent, int version, int type, const void *p, size_t n, SSL *ssl,
                         void *arg)
{
    struct tls_secrets *s = arg;
    uint64_t *records = is_sent ? &s->sent : &s->received;
    (void)version;
    const uint8_t *bytes = p;
    if (type == SSL3_RT_HEADER) {
        ++*records;
        if (!is_sent)
            s->in_message = n > 0 && bytes[0] == SSL3_RT_HANDSHAKE;
    } else if (type == SSL3_RT_INNER_CONTENT_TYPE && !is_sent) {
        s->in_message = n > 0 && bytes[0] == SSL3_RT_HANDSHAKE;
    } else if (type == SSL3_RT_HANDSHAKE && n > 0) {
        const uint8_t message = bytes[0];
        if (!is_sent)
            s->in_message = false;
        if (message == SSL3_MT_FINISHED)
            note_finished(ssl, records);
        if (message != SSL3_MT_KEY_UPDATE)
            return;
        *records = 0;
        ++*(is_sent ? &s->updates_sent : &s->updates_received);
    }
}

struct tls_secrets *tls_secrets_note(SSL *ssl)
{
    struct tls_secrets *s = calloc(1, sizeof(*s));
    if (s) {
        SSL_set_msg_callback(ssl, note_message);
        SSL_set_msg_callback_arg(ssl, s);
    }
    return s;
}

/*
 * OpenSSL hands over whole records once the handshake is done. Any other write, during the
 * handshake, yields no nonce; later writes do.
 */
void tls_secrets_note_sent(struct tls_secrets *s, const uint8_t *p, size_t n)
{
    if (n < TLS_HEADER_SIZE + sizeof(s->nonce) || p[0] < TLS_CONTENT_CHANGE_CIPHER_SPEC ||
        p[0] > TLS_CONTENT_DATA || ((size_t)p[3] << 8 | p[4]) != n - TLS_HEADER_SIZE)
        return;
    memcpy(s->nonce, p + TLS_HEADER_SIZE, sizeof(s->nonce));
    /* Data is never part of a handshake; after the first, every write is an encrypted record. */
    s->has_nonce |= p[0] == TLS_CONTENT_DATA;
}

void tls_secrets_free(struct tls_secrets *s)
{
    if (!s)
        return;
    OPENSSL_cleanse(s, sizeof(*s));
    free(s);
}

/* ---- export ----------------------------------------------------------------------------- */

/* Returns TLS_SUITE_COUNT if the connection cannot be detached. */
static enum tls_suite suite_of(const SSL *ssl)
{
    switch (SSL_CIPHER_get_cipher_nid(SSL_get_current_cipher(ssl))) {
    case NID_aes_128_gcm:
        return TLS_SUITE_AES_128_GCM;
    case NID_aes_256_gcm:
        return TLS_SUITE_AES_256_GCM;
    case NID_chacha20_poly1305:
        return TLS_SUITE_CHACHA20_POLY1305;
    default:
        return TLS_SUITE_COUNT;
    }
}

static bool set_traffic_13(struct tls_traffic *t, struct tls_ciphers *c, enum tls_suite suite,
                           const uint8_t *secret, uint32_t updates)
{
    memcpy(t->secret, secret, tls_suite_secret_size(suite));
    if (!tls_traffic_derive(c, suite, t))
        return false;
    while (updates-- > 0)
        if (!tls_traffic_update(c, suite, t))
            return false;
    return true;
}

static bool export_13(const struct tls_secrets *s, struct tls_ciphers *c, struct tls_records *r)
{
    const enum tls_suite suite = (enum tls_suite)r->suite;
    const uint8_t *received = r->is_server ? s->client : s->server;
    const uint8_t *sent = r->is_server ? s->server : s->client;
    return set_traffic_13(&r->received, c, suite, received, s->updates_received) &&
           set_traffic_13(&r->sent, c, suite, sent, s->updates_sent);
}

static bool export_12(const struct tls_secrets *s, const SSL *ssl, struct tls_ciphers *c,
                      struct tls_records *r)
{
    uint8_t master[48], randoms[64];
    const size_t master_n =
        SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof(master));
    SSL_get_server_random(ssl, randoms, 32);
    SSL_get_client_random(ssl, randoms + 32, 32);
    const bool done = master_n == sizeof(master) &&
                      tls_traffic_expand_12(c, (enum tls_suite)r->suite, master, randoms,
                                            r->is_server ? &r->received : &r->sent,
                                            r->is_server ? &r->sent : &r->received);
    OPENSSL_cleanse(master, sizeof(master));
    /* OpenSSL's explicit nonces count up from a random number: continue after the last one. */
    if (r->suite != TLS_SUITE_CHACHA20_POLY1305) {
        memcpy(r->sent.iv + TLS_IV_SIZE - sizeof(s->nonce), s->nonce, sizeof(s->nonce));
        tls_traffic_next_nonce(&r->sent);
    }
    return done;
}

/* Source: RFC 6066 section 4. */
static uint16_t max_fragment(const SSL *ssl)
{
    static const uint16_t sizes[] = {TLS_PLAIN_MAX, 512, 1024, 2048, 4096};
    const uint8_t mode = SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl));
    return mode < ARRAY_LEN(sizes) ? sizes[mode] : sizes[0];
}

bool tls_secrets_export(const struct tls_secrets *s, SSL *ssl, struct tls_ciphers *c,
                        struct tls_records *r, enum stream_settled *out)
{
    const enum tls_suite suite = suite_of(ssl);
    const bool is_tls13 = SSL_version(ssl) == TLS1_3_VERSION;
    *out = STREAM_SETTLE_UNSUPPORTED;
    if (suite == TLS_SUITE_COUNT || (!is_tls13 && SSL_version(ssl) != TLS1_2_VERSION))
        return false;
    const size_t secret_n = tls_suite_secret_size(suite);
    if (is_tls13 && (s->client_n != secret_n || s->server_n != secret_n))
        return false;
    *out = STREAM_SETTLE_BUSY;
    if (s->in_message)
        return false;
    if (!is_tls13 && suite != TLS_SUITE_CHACHA20_POLY1305 && !s->has_nonce)
        return false;
    *r = (struct tls_records){.suite = (uint8_t)suite,
                              .is_tls13 = is_tls13,
                              .is_server = SSL_is_server(ssl) == 1,
                              .max_fragment = max_fragment(ssl)};
    *out = STREAM_SETTLE_FAILED;
    if (!(is_tls13 ? export_13(s, c, r) : export_12(s, ssl, c, r))) {
        tls_records_fini(r, c);
        return false;
    }
    r->received.sequence = s->received;
    r->sent.sequence = s->sent;
    return true;
}
