/*
 * tls_client.h - how the devices of all benches speak TLS.
 */
#ifndef BENCH_TLS_CLIENT_H
#define BENCH_TLS_CLIENT_H

#include <openssl/ssl.h>

/*
 * One protocol version (TLS1_2_VERSION, TLS1_3_VERSION), one cipher and one group, so that every
 * proxy does the same sums. The peer's certificate is not looked at: the devices' sums are not what
 * is measured. Ends the program when OpenSSL does not take that.
 */
SSL_CTX *tls_client_new(int version);

/*
 * Keep the newest session of ssl in *kept, which is owned by the caller and may be null; and ask
 * for the one that is there, if `resume`. *kept has to outlive ssl.
 */
void tls_client_keep(SSL *ssl, SSL_SESSION **kept, int resume);

#endif
