/*
 * library.c - OpenSSL's memory functions and a worker's library context.
 */
#include <assert.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/*
 * ---- memory that is wiped when freed ----------------------------------------------------
 *
 * Only while certificates and keys are loaded or freed: OpenSSL itself wipes the secrets of a
 * handshake, and wiping all memory, including 17 KiB buffers, costs 7 % of the handshake time.
 * Thread-local, because OpenSSL passes no argument to these functions.
 */

static _Thread_local unsigned wiping; /* nesting depth */

void tls_wipe_begin(void)
{
    wiping++;
}

void tls_wipe_end(void)
{
    wiping--;
}

static void *wiping_malloc(size_t n, const char *file, int line)
{
    (void)file, (void)line;
    return malloc(n);
}

static void wiping_free(void *p, const char *file, int line)
{
    (void)file, (void)line;
    if (wiping > 0 && p)
        explicit_bzero(p, malloc_usable_size(p));
    free(p);
}

static void *wiping_realloc(void *p, size_t n, const char *file, int line)
{
    if (wiping == 0 && n > 0)
        return realloc(p, n);
    const size_t had = p ? malloc_usable_size(p) : 0;
    if (n <= had && n > had / 2)
        return p;
    void *moved = n > 0 ? malloc(n) : NULL;
    if (moved && p)
        memcpy(moved, p, size_min(had, n));
    if (moved || n == 0)
        wiping_free(p, file, line);
    return moved;
}

void tls_library_wipe_memory(void)
{
    int set = CRYPTO_set_mem_functions(wiping_malloc, wiping_realloc, wiping_free);
    assert(set == 1); /* fails if OpenSSL has already allocated memory */
}

/* ---- library contexts ------------------------------------------------------------------- */

struct tls_library *tls_library_new(void)
{
    struct tls_library *lib = calloc(1, sizeof(*lib));
    if (!lib)
        return NULL;
    lib->ossl = OSSL_LIB_CTX_new();
    lib->socket = stream_tls_socket_method();
    if (lib->ossl) {
        lib->aes_128_cbc = EVP_CIPHER_fetch(lib->ossl, "AES-128-CBC", NULL);
        lib->aes_256_cbc = EVP_CIPHER_fetch(lib->ossl, "AES-256-CBC", NULL);
        lib->ciphers = tls_ciphers_new(lib->ossl);
    }
    if (!lib->ossl || !lib->socket || !lib->aes_128_cbc || !lib->aes_256_cbc || !lib->ciphers) {
        tls_library_free(lib);
        return NULL;
    }
    return lib;
}

void tls_library_free(struct tls_library *lib)
{
    if (!lib)
        return;
    tls_ciphers_free(lib->ciphers);
    EVP_CIPHER_free(lib->aes_128_cbc);
    EVP_CIPHER_free(lib->aes_256_cbc);
    BIO_meth_free(lib->socket);
    OSSL_LIB_CTX_free(lib->ossl);
    free(lib);
}
