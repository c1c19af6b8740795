/*
 * tls_peer.h - temporary certificates and an OpenSSL client for the TLS tests. The test moves the
 * client's records to the socket itself, in pieces of any size.
 *
 * Client and server run in turn on one thread: nothing blocks, and every loop is bounded.
 */
#ifndef UNIT_NET_TLS_TLS_PEER_H
#define UNIT_NET_TLS_TLS_PEER_H

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/stream.h"
#include "net/tls/context.h"

#define PEER_STEPS_MAX 200000

/* ---- certificates ---- */

struct test_files {
    char dir[64];
    char *paths[64]; /* created files; owned */
    size_t n;
};

static inline const char *files_path(struct test_files *files, const char *name)
{
    char *path;
    assert_true(files->n < ARRAY_LEN(files->paths));
    assert_true(asprintf(&path, "%s/%s", files->dir, name) > 0);
    files->paths[files->n++] = path;
    return path;
}

static inline void files_init(struct test_files *files)
{
    *files = (struct test_files){.dir = "/tmp/mqtt-router-test-XXXXXX"};
    assert_non_null(mkdtemp(files->dir));
}

static inline void files_fini(struct test_files *files)
{
    for (size_t i = 0; i < files->n; i++) {
        unlink(files->paths[i]);
        free(files->paths[i]);
    }
    assert_int_equal(rmdir(files->dir), 0);
}

static inline const char *files_write(struct test_files *files, const char *name, const char *text)
{
    const char *path = files_path(files, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    return path;
}

static inline const char *write_key(struct test_files *files, const char *name, EVP_PKEY *key,
                                    const char *passphrase)
{
    const char *path = files_path(files, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    const EVP_CIPHER *cipher = passphrase ? EVP_aes_128_cbc() : NULL;
    int n = passphrase ? (int)strlen(passphrase) : 0;
    assert_int_equal(PEM_write_PKCS8PrivateKey(f, key, cipher, passphrase, n, NULL, NULL), 1);
    assert_int_equal(fclose(f), 0);
    return path;
}

/* Create a self-signed ECDSA P-256 certificate for one DNS name, and its key. */
static inline struct certificate_conf make_certificate(struct test_files *files, const char *dns)
{
    char name[80], san[80];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    assert_true(key && x509);
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -60);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, key);
    X509_NAME *subject = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)dns, -1, -1, 0);
    X509_set_issuer_name(x509, subject);
    snprintf(san, sizeof(san), "DNS:%s", dns);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(x509, key, EVP_sha256()) > 0);

    snprintf(name, sizeof(name), "%s.pem", dns);
    const char *certificate_file = files_path(files, name);
    FILE *f = fopen(certificate_file, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, x509), 1);
    assert_int_equal(fclose(f), 0);
    snprintf(name, sizeof(name), "%s.key", dns);
    const char *key_file = write_key(files, name, key, NULL);
    X509_free(x509);
    EVP_PKEY_free(key);
    return (struct certificate_conf){.certificate_file = (char *)certificate_file,
                                     .private_key_file = (char *)key_file};
}

/* ---- the client ---- */

struct peer {
    SSL_CTX *ossl;
    SSL *ssl;
    BIO *in;  /* owned by ssl; bytes from the server */
    BIO *out; /* owned by ssl; bytes to the server */
    int fd;
    size_t chunk; /* maximum number of bytes moved in each direction per step */
    bool saw_fin; /* the server has closed its writing side */
};

static inline void peer_init(struct peer *peer, int fd, int version)
{
    memset(peer, 0, sizeof(*peer));
    peer->fd = fd;
    peer->chunk = 65536;
    peer->ossl = SSL_CTX_new(TLS_client_method());
    assert_non_null(peer->ossl);
    assert_int_equal(SSL_CTX_set_min_proto_version(peer->ossl, version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(peer->ossl, version), 1);
    peer->ssl = SSL_new(peer->ossl);
    peer->in = BIO_new(BIO_s_mem());
    peer->out = BIO_new(BIO_s_mem());
    assert_true(peer->ssl && peer->in && peer->out);
    BIO_set_mem_eof_return(peer->in, -1);
    SSL_set_bio(peer->ssl, peer->in, peer->out);
    SSL_set_connect_state(peer->ssl);
}

static inline void peer_hang_up(struct peer *peer)
{
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
}

static inline void peer_fini(struct peer *peer)
{
    peer_hang_up(peer);
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->ossl);
}

/* Move at most `chunk` bytes in each direction between the client's memory and its socket. */
static inline void peer_carry(struct peer *peer)
{
    uint8_t bytes[65536];
    char *waiting;
    long n = BIO_get_mem_data(peer->out, &waiting);
    if (n > 0) {
        size_t most = (size_t)n < peer->chunk ? (size_t)n : peer->chunk;
        ssize_t sent = send(peer->fd, waiting, most, MSG_NOSIGNAL);
        if (sent > 0)
            assert_int_equal(BIO_read(peer->out, bytes, (int)sent), sent);
    }
    ssize_t got = recv(peer->fd, bytes, peer->chunk, 0);
    if (got > 0)
        assert_int_equal(BIO_write(peer->in, bytes, (int)got), got);
    if (got == 0 && !peer->saw_fin) {
        peer->saw_fin = true;
        BIO_set_mem_eof_return(peer->in, 0);
    }
}

/* ---- client and server ---- */

static inline void make_pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

/* Run the handshake until the server's open() succeeds or fails. Returns its result. */
static inline enum stream_result shake(struct stream *server, struct peer *peer)
{
    for (int i = 0; i < PEER_STEPS_MAX; i++) {
        ERR_clear_error();
        (void)SSL_do_handshake(peer->ssl);
        peer_carry(peer);
        enum stream_result answer = stream_open(server);
        if (answer == STREAM_OK || answer == STREAM_ERR)
            return answer;
        assert_int_not_equal(answer, STREAM_EOF);
    }
    fail_msg("the handshake does not end");
    return STREAM_ERR;
}

/* Let the client receive the rest of the handshake and the tickets. */
static inline void peer_settle(struct peer *peer)
{
    uint8_t byte;
    for (int i = 0; i < 64; i++) {
        ERR_clear_error();
        if (!SSL_is_init_finished(peer->ssl))
            (void)SSL_do_handshake(peer->ssl);
        else
            (void)SSL_peek(peer->ssl, &byte, 1);
        peer_carry(peer);
    }
}

/* Send n bytes from the client, and read all of them on the server. */
static inline void send_up(struct peer *peer, struct stream *server, const uint8_t *p, size_t n)
{
    uint8_t bytes[4096];
    size_t sent = 0, done = 0, got = 0;
    for (int i = 0; i < PEER_STEPS_MAX && done < n; i++) {
        size_t moved = 0;
        size_t most = n - sent < 16384 ? n - sent : 16384;
        if (most > 0 && SSL_write_ex(peer->ssl, p + sent, most, &moved) == 1)
            sent += moved;
        peer_carry(peer);
        enum stream_result answer = stream_read(server, bytes, sizeof(bytes), &got);
        if (answer == STREAM_WANT_READ)
            continue;
        assert_int_equal(answer, STREAM_OK);
        assert_true(got <= n - done);
        assert_memory_equal(bytes, p + done, got);
        done += got;
    }
    assert_int_equal(done, n);
}

/* Read on the client those of the n bytes that have arrived. *done of them were read before. */
static inline void take_down(struct peer *peer, const uint8_t *p, size_t n, size_t *done)
{
    uint8_t bytes[4096];
    size_t got = 0;
    peer_carry(peer);
    ERR_clear_error();
    while (SSL_read_ex(peer->ssl, bytes, sizeof(bytes), &got) == 1) {
        assert_true(got <= n - *done);
        assert_memory_equal(bytes, p + *done, got);
        *done += got;
    }
}

/* Send n bytes from the server, and read all of them on the client. */
static inline void send_down(struct stream *server, struct peer *peer, const uint8_t *p, size_t n)
{
    size_t sent = 0, done = 0, put = 0;
    for (int i = 0; i < PEER_STEPS_MAX && done < n; i++) {
        if (sent < n) {
            enum stream_result answer = stream_write(server, p + sent, n - sent, &put);
            if (answer == STREAM_OK)
                sent += put;
            else
                assert_int_equal(answer, STREAM_WANT_WRITE);
        }
        take_down(peer, p, n, &done);
    }
    assert_int_equal(done, n);
}

#endif
