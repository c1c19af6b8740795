/*
 * handshake_floor.c - measure OpenSSL's own CPU time for the server side of a handshake.
 *
 * Both sides run in one process and exchange bytes in memory, without sockets, event loop or
 * session. The result is a lower bound of the cost of a TLS connection in a proxy. Prints a line of
 * JSON with the CPU time of the server side for each kind of handshake, in us from SSL_new() to
 * SSL_free(), the median of BATCHES batches.
 */
#include <err.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "tls_client.h"

#define BATCHES 9
#define BATCH   100

struct kind {
    const char *name;
    int version;
    bool rsa, resumed;
};

static const struct kind kinds[] = {
    {"tls13_full_ecdsa", TLS1_3_VERSION, false, false},
    {"tls13_full_rsa", TLS1_3_VERSION, true, false},
    {"tls13_resumed", TLS1_3_VERSION, false, true},
    {"tls12_full_ecdsa", TLS1_2_VERSION, false, false},
    {"tls12_resumed", TLS1_2_VERSION, false, true},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static double cpu_us(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
}

static X509 *self_signed(EVP_PKEY *key)
{
    X509 *x = X509_new();
    if (!x || !ASN1_INTEGER_set(X509_get_serialNumber(x), 1) ||
        !X509_gmtime_adj(X509_getm_notBefore(x), 0) ||
        !X509_gmtime_adj(X509_getm_notAfter(x), 86400) || !X509_set_pubkey(x, key) ||
        !X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                    (const unsigned char *)"localhost", -1, -1, 0) ||
        !X509_set_issuer_name(x, X509_get_subject_name(x)) || !X509_sign(x, key, EVP_sha256()))
        errx(1, "no certificate");
    return x;
}

static SSL_CTX *server_new(bool rsa)
{
    EVP_PKEY *key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (!key || !tls)
        errx(1, "out of memory");
    X509 *certificate = self_signed(key);
    if (!SSL_CTX_use_certificate(tls, certificate) || !SSL_CTX_use_PrivateKey(tls, key) ||
        !SSL_CTX_set_ciphersuites(tls, "TLS_AES_128_GCM_SHA256") ||
        !SSL_CTX_set1_groups_list(tls, "X25519:P-256") || !SSL_CTX_set_num_tickets(tls, 1))
        errx(1, "OpenSSL rejects the settings");
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return tls;
}

/*
 * Return the CPU time of the server side of one handshake; *kept is set to the client's newest
 * ticket.
 */
static double shake_hands(SSL_CTX *server_tls, SSL_CTX *client_tls, SSL_SESSION **kept, bool resume)
{
    BIO *server_end, *client_end;
    char byte;
    SSL *client = SSL_new(client_tls);
    if (!client || !BIO_new_bio_pair(&server_end, 65536, &client_end, 65536))
        errx(1, "out of memory");
    tls_client_keep(client, kept, resume);
    SSL_set_bio(client, client_end, client_end);
    SSL_set_connect_state(client);

    double began = cpu_us(), taken = 0;
    SSL *server = SSL_new(server_tls);
    if (!server)
        errx(1, "out of memory");
    SSL_set_bio(server, server_end, server_end);
    SSL_set_accept_state(server);
    taken += cpu_us() - began;
    for (int i = 0; i < 8 && !(SSL_is_init_finished(server) && SSL_is_init_finished(client)); i++) {
        (void)SSL_do_handshake(client);
        began = cpu_us();
        (void)SSL_do_handshake(server);
        taken += cpu_us() - began;
    }
    (void)SSL_read(client, &byte, 1); /* also reads the ticket */
    if (!SSL_is_init_finished(server) || (resume && !SSL_session_reused(server)))
        errx(1, "the handshake failed");
    /* otherwise OpenSSL treats the missing close_notify as an attack and discards the ticket */
    SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(client);
    began = cpu_us();
    SSL_free(server);
    return taken + cpu_us() - began;
}

static int ascending(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double measure(const struct kind *kind)
{
    SSL_CTX *server = server_new(kind->rsa), *client = tls_client_new(kind->version);
    SSL_SESSION *kept = NULL;
    double batches[BATCHES];
    (void)shake_hands(server, client, &kept, false);
    for (int b = 0; b < BATCHES; b++) {
        batches[b] = 0;
        for (int i = 0; i < BATCH; i++)
            batches[b] += shake_hands(server, client, &kept, kind->resumed) / BATCH;
    }
    qsort(batches, BATCHES, sizeof(double), ascending);
    SSL_SESSION_free(kept);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
    return batches[BATCHES / 2];
}

int main(void)
{
    printf("{");
    for (size_t i = 0; i < KINDS; i++)
        printf("%s\"%s\": %.1f", i ? ", " : "", kinds[i].name, measure(&kinds[i]));
    puts("}");
    return 0;
}
