/*
 * tls_client.h - TLS settings of the devices of all benchmarks.
 */
#ifndef BENCH_TLS_CLIENT_H
#define BENCH_TLS_CLIENT_H

#include <openssl/ssl.h>

/*
 * Make settings with one protocol version (TLS1_2_VERSION, TLS1_3_VERSION), one cipher and one
 * group, so that every proxy computes the same. The peer's certificate is not verified, because the
 * cost of the devices is not measured. Exits if OpenSSL rejects the settings.
 */
SSL_CTX *tls_client_new(int version);

/*
 * Store the newest session of ssl in *kept, which the caller owns and can be null. If `resume`, try
 * to resume the session in *kept. *kept must outlive ssl.
 */
void tls_client_keep(SSL *ssl, SSL_SESSION **kept, int resume);

#endif
