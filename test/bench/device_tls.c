/*
 * device_tls.c - prepare the ClientHellos of the storm's devices.
 */
#include "device.h"

#include <err.h>
#include <unistd.h>

#include "tls_client.h"

void device_make_hello(struct device *d)
{
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    d->ssl = SSL_new(d->storm->tls);
    if (!d->ssl || !in || !out)
        errx(1, "out of memory");
    SSL_set_bio(d->ssl, in, out);
    tls_client_keep(d->ssl, &d->session, d->storm->resume);
    if (SSL_connect(d->ssl) == 1 || BIO_pending(out) <= 0)
        errx(1, "OpenSSL did not produce a ClientHello");
}

bool device_send_hello(struct device *d)
{
    char *hello;
    long n = BIO_get_mem_data(SSL_get_wbio(d->ssl), &hello);
    bool sent = write(d->io.fd, hello, (size_t)n) == n;
    if (!SSL_set_fd(d->ssl, d->io.fd))
        errx(1, "out of memory");
    return sent;
}
