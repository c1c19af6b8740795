/*
 * pem.c - read certificates, private keys and revocation lists from PEM files.
 *
 * Never prompts for a passphrase on the terminal: OpenSSL's default callback would block.
 */
#include "pem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/small_file.h"
#include "error.h"

#define PEM_MAX        (16 << 20)
#define PASSPHRASE_MAX 1024 /* OpenSSL's limit, PEM_BUFSIZE */

/* The passphrase for OpenSSL's callback. */
struct passphrase {
    const char *text; /* null = none */
    bool asked;       /* the callback was called */
};

static int passphrase_callback(char *buffer, int size, int writing, void *arg)
{
    struct passphrase *passphrase = arg;
    (void)writing;
    passphrase->asked = true;
    size_t n = passphrase->text ? strlen(passphrase->text) : 0;
    if (n == 0 || n > (size_t)size)
        return -1;
    memcpy(buffer, passphrase->text, n);
    return (int)n;
}

/* ---- files ----------------------------------------------------------------------------- */

static ssize_t read_all(int fd, char *out, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = read(fd, out + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/*
 * Read a file into a memory BIO, which is wiped when freed: even a certificate file can contain a
 * private key. BIO_new_file() would leave the text in a stdio buffer. Null on failure.
 *
 *   what   the object for the error message, such as "certificate"
 */
static BIO *open_pem(const char *file, const char *what, char error[TLS_ERROR_MAX])
{
    char chunk[4096], why[SMALL_FILE_ERROR_MAX] = "out of memory";
    BIO *bio = BIO_new(BIO_s_mem());
    int fd = bio ? small_file_open(file, why) : -1;
    ssize_t n = -1;
    while (fd >= 0 && (n = read_all(fd, chunk, sizeof(chunk))) > 0)
        if (BIO_write(bio, chunk, (int)n) != (int)n || BIO_pending(bio) > PEM_MAX)
            break;
    if (fd >= 0 && n != 0)
        (void)snprintf(why, sizeof(why), "%s",
                       n < 0 ? strerrordesc_np(errno) : "must be at most 16 MiB");
    OPENSSL_cleanse(chunk, sizeof(chunk));
    if (fd >= 0)
        close(fd);
    if (n == 0)
        return bio;
    (void)snprintf(error, TLS_ERROR_MAX, "%s: cannot read the %s: %s", file, what, why);
    BIO_free(bio);
    return NULL;
}

/* ---- certificates and revocation lists ------------------------------------------------- */

/* Write the reason why a PEM file is invalid; `what` is "certificate" or "revocation list". */
static void pem_error(char error[TLS_ERROR_MAX], const char *file, const char *what)
{
    char rule[64];
    unsigned long code = ERR_peek_error();
    if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE)
        (void)snprintf(rule, sizeof(rule), "contains no %s", what);
    else
        (void)snprintf(rule, sizeof(rule), "cannot use the %s", what);
    (void)tls_fail(error, file, rule);
}

/* Does the last error only report the end of the PEM file? */
static bool at_pem_end(void)
{
    unsigned long code = ERR_peek_last_error();
    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

/* A type of objects in a PEM file. */
struct pem_kind {
    const char *name; /* for error messages, such as "certificate" */
    /* Read the next object. Null at the end and on error (see the error queue). */
    void *(*read_next)(BIO *bio, OSSL_LIB_CTX *lib);
    void (*free)(void *object);
};

static void *read_certificate(BIO *bio, OSSL_LIB_CTX *lib)
{
    struct passphrase none = {0};
    X509 *x509 = X509_new_ex(lib, NULL);
    if (x509 && PEM_read_bio_X509(bio, &x509, passphrase_callback, &none))
        return x509;
    X509_free(x509);
    return NULL;
}

static void free_certificate(void *x509)
{
    X509_free(x509);
}

static void *read_crl(BIO *bio, OSSL_LIB_CTX *lib)
{
    struct passphrase none = {0};
    X509_CRL *crl = X509_CRL_new_ex(lib, NULL);
    if (crl && PEM_read_bio_X509_CRL(bio, &crl, passphrase_callback, &none))
        return crl;
    X509_CRL_free(crl);
    return NULL;
}

static void free_crl(void *crl)
{
    X509_CRL_free(crl);
}

static const struct pem_kind certificates = {"certificate", read_certificate, free_certificate};
static const struct pem_kind revocation_lists = {"revocation list", read_crl, free_crl};

/* Read all objects of this kind from a file. Null on failure, or if the file contains none. */
static OPENSSL_STACK *read_objects(const struct pem_kind *kind, OSSL_LIB_CTX *lib, const char *file,
                                   char error[TLS_ERROR_MAX])
{
    ERR_clear_error();
    OPENSSL_STACK *all = OPENSSL_sk_new_null();
    BIO *bio = open_pem(file, kind->name, error);
    void *object = NULL;
    while (all && bio && (object = kind->read_next(bio, lib))) {
        if (OPENSSL_sk_push(all, object) <= 0) {
            kind->free(object);
            break;
        }
    }
    bool good = all && bio && !object && OPENSSL_sk_num(all) > 0 && at_pem_end();
    if (bio && !good)
        pem_error(error, file, kind->name);
    BIO_free(bio);
    if (!good) {
        OPENSSL_sk_pop_free(all, kind->free);
        all = NULL;
    }
    ERR_clear_error();
    return all;
}

STACK_OF(X509) *
    tls_file_certificates(OSSL_LIB_CTX *lib, const char *file, char error[TLS_ERROR_MAX])
{
    return (STACK_OF(X509) *)read_objects(&certificates, lib, file, error);
}

STACK_OF(X509_CRL) * tls_file_crls(OSSL_LIB_CTX *lib, const char *file, char error[TLS_ERROR_MAX])
{
    return (STACK_OF(X509_CRL) *)read_objects(&revocation_lists, lib, file, error);
}

/* ---- a certificate and its key --------------------------------------------------------- */

static bool read_passphrase(const char *file, struct small_file *out, char error[TLS_ERROR_MAX])
{
    char why[SMALL_FILE_ERROR_MAX];
    if (small_file_read_line(file, SMALL_FILE_REGULAR, PASSPHRASE_MAX, out, why))
        return true;
    (void)snprintf(error, TLS_ERROR_MAX, "%s: cannot read the passphrase: %s", file, why);
    return false;
}

static void set_key_error(const struct certificate_conf *files, const struct passphrase *passphrase,
                          char error[TLS_ERROR_MAX])
{
    const char *file = files->private_key_file;
    if (passphrase->asked && passphrase->text)
        (void)snprintf(error, TLS_ERROR_MAX,
                       "%s: cannot decrypt the private key with the passphrase in %s", file,
                       files->private_key_passphrase_file);
    else if (passphrase->asked)
        (void)snprintf(error, TLS_ERROR_MAX,
                       "%s: the private key is encrypted: set private_key_passphrase_file, or use "
                       "a key without a passphrase",
                       file);
    else /* OpenSSL reports only "unsupported" for anything that is not a key */
        (void)snprintf(error, TLS_ERROR_MAX, "%s: contains no private key", file);
}

/* Read the private key. Null if there is no usable key; `error` then contains the reason. */
static EVP_PKEY *read_key(OSSL_LIB_CTX *lib, const struct certificate_conf *files,
                          char error[TLS_ERROR_MAX])
{
    struct small_file text = {0};
    struct passphrase passphrase = {0};
    EVP_PKEY *key = NULL;
    if (files->private_key_passphrase_file) {
        if (!read_passphrase(files->private_key_passphrase_file, &text, error))
            return NULL;
        passphrase.text = text.text;
    }
    ERR_clear_error();
    BIO *bio = open_pem(files->private_key_file, "private key", error);
    if (bio) {
        key = PEM_read_bio_PrivateKey_ex(bio, NULL, passphrase_callback, &passphrase, lib, NULL);
        if (!key)
            set_key_error(files, &passphrase, error);
    }
    BIO_free(bio);
    small_file_free(&text);
    ERR_clear_error();
    return key;
}

bool tls_credential_load(OSSL_LIB_CTX *lib, const struct certificate_conf *files,
                         struct tls_credential *out, char error[TLS_ERROR_MAX])
{
    struct tls_credential made = {.chain =
                                      tls_file_certificates(lib, files->certificate_file, error)};
    if (made.chain) {
        made.leaf = sk_X509_shift(made.chain);
        made.key = read_key(lib, files, error);
    }
    /* OpenSSL's own check would report a key of another type as "no certificate assigned". */
    if (made.key && X509_check_private_key(made.leaf, made.key) != 1) {
        (void)snprintf(error, TLS_ERROR_MAX, "%s: does not match the certificate in %s: %s",
                       files->private_key_file, files->certificate_file,
                       tls_reason(ERR_peek_error()));
        EVP_PKEY_free(made.key);
        made.key = NULL;
    }
    if (!made.key)
        tls_credential_fini(&made);
    *out = made;
    ERR_clear_error();
    return made.key;
}

void tls_credential_fini(struct tls_credential *credential)
{
    X509_free(credential->leaf);
    sk_X509_pop_free(credential->chain, X509_free);
    EVP_PKEY_free(credential->key);
    *credential = (struct tls_credential){0};
}

bool tls_credential_use(const struct tls_credential *credential, SSL_CTX *ossl,
                        const struct certificate_conf *files, struct tls_expiry *expiry,
                        char error[TLS_ERROR_MAX])
{
    const enum tls_validity_kind kind = TLS_VALIDITY_CERTIFICATE;
    const char *file = files->certificate_file;
    ERR_clear_error();
    /* Fails if the security level forbids the certificate: RSA below 2048 bits, SHA-1 signature. */
    if (SSL_CTX_use_cert_and_key(ossl, credential->leaf, credential->key, credential->chain, 1) !=
        1)
        return tls_fail(error, file, "cannot use the certificate");
    return tls_expiry_add(expiry, kind, credential->leaf, file) &&
                   tls_expiry_add_all(expiry, kind, credential->chain, file)
               ? true
               : tls_fail_memory(error);
}
