/*
 * stream_facts.c - the results of a TLS handshake, and the names in the peer's certificate. They
 * are computed on demand, so that idle sessions keep no copies.
 */
#include <assert.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "detached.h"
#include "internal.h"
#include "net/tls/cert/names.h"
#include "stream.h"
#include "wire/first_bytes.h"

/* The peer's certificate, borrowed; null if there is none or it was not verified. */
static X509 *verified_certificate(const struct stream_tls *t)
{
    bool asked = SSL_get_verify_mode(t->ssl) & SSL_VERIFY_PEER;
    X509 *x509 = SSL_get0_peer_certificate(t->ssl);
    return asked && x509 && SSL_get_verify_result(t->ssl) == X509_V_OK ? x509 : NULL;
}

/* The peer's first common name; computed once, valid as long as the stream. */
static struct span common_name(struct stream_tls *t)
{
    X509 *x509 = t->cn ? NULL : SSL_get0_peer_certificate(t->ssl);
    if (x509)
        t->cn = tls_common_name(X509_get_subject_name(x509), &t->cn_n);
    return span_of(t->cn, t->cn ? t->cn_n : 0);
}

static void certificate_facts(const struct stream_tls *t, struct tls_facts *out)
{
    X509 *ours = SSL_get_certificate(t->ssl);
    EVP_PKEY *key = ours ? X509_get0_pubkey(ours) : NULL;
    if (!key)
        return;
    const char *kind = EVP_PKEY_get0_type_name(key);
    out->sig_alg = OBJ_nid2sn(X509_get_signature_nid(ours));
    (void)snprintf(out->key_alg, sizeof(out->key_alg), "%.8s%d", kind ? kind : "",
                   EVP_PKEY_get_bits(key));
}

/* RFC 6066 section 3: no trailing dot. Some clients send one. */
static struct span server_name(const SSL *ssl)
{
    struct span name = span_of_str(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    if (name.n > 0 && name.p[name.n - 1] == '.')
        name.n--;
    return name.n > 0 ? name : (struct span){0};
}

void stream_tls_facts(struct stream *st, struct tls_facts *out)
{
    assert(stream_is_tls(st));
    const struct stream_detached *detached = stream_detached_of(st);
    if (detached) {
        stream_detached_facts(detached, out);
        return;
    }
    struct stream_tls *t = stream_tls_of(st);
    unsigned alpn_n;
    *out = (struct tls_facts){.version = SSL_get_version(t->ssl),
                              .cipher = SSL_get_cipher_name(t->ssl),
                              .sni = server_name(t->ssl),
                              .resumed = SSL_session_reused(t->ssl) == 1,
                              .client_certificate = SSL_get0_peer_certificate(t->ssl),
                              .client_verified = verified_certificate(t),
                              .cn = common_name(t)};
    SSL_get0_alpn_selected(t->ssl, &out->alpn, &alpn_n);
    out->alpn_n = alpn_n;
    certificate_facts(t, out);
}

bool stream_tls_resumed(const struct stream *st)
{
    assert(stream_is_tls(st));
    return SSL_session_reused(stream_tls_of_const(st)->ssl) == 1;
}

bool stream_tls_closed_without_data(const struct stream *st)
{
    assert(stream_is_tls(st));
    const struct stream_tls *t = stream_tls_of_const(st);
    return t->base.socket.left && t->first == FIRST_NOTHING;
}

/* ---- the peer's names ------------------------------------------------------------------ */

/* Called for each name; returns true to stop. */
typedef bool name_visitor(void *arg, struct span name);

static int general_name_type(enum tls_name_kind kind)
{
    switch (kind) {
    case TLS_NAME_SAN_DNS:
        return GEN_DNS;
    case TLS_NAME_SAN_URI:
        return GEN_URI;
    case TLS_NAME_SAN_EMAIL:
        return GEN_EMAIL;
    default:
        return -1;
    }
}

static bool visit_alternatives(const X509 *x509, int type, name_visitor *visit, void *arg)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    bool ended = false;
    for (int i = 0; !ended && i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        if (name->type == type) /* all three types are stored as IA5String */
            ended = visit(arg, span_of(ASN1_STRING_get0_data(name->d.ia5),
                                       (size_t)ASN1_STRING_length(name->d.ia5)));
    }
    GENERAL_NAMES_free(all);
    return ended;
}

static bool visit_names(struct stream_tls *t, enum tls_name_kind kind, name_visitor *visit,
                        void *arg)
{
    X509 *x509 = verified_certificate(t);
    if (!x509)
        return false;
    if (kind != TLS_NAME_CN)
        return visit_alternatives(x509, general_name_type(kind), visit, arg);
    struct span cn = common_name(t);
    return cn.p && visit(arg, cn);
}

static bool is_equal(void *arg, struct span name)
{
    return span_equal(*(const struct span *)arg, name);
}

bool stream_tls_peer_matches(struct stream *st, enum tls_name_kind kind, struct span name)
{
    assert(stream_is_tls(st));
    return name.n > 0 && visit_names(stream_tls_of(st), kind, is_equal, &name);
}

struct name_list {
    char *out;
    size_t max, n;
};

static bool append(void *arg, struct span name)
{
    struct name_list *list = arg;
    const char *join = list->n > 0 ? ", " : "";
    size_t needed = strlen(join) + name.n;
    /* Skip names with a NUL: it would truncate the list, and no client identifier has one. */
    if (needed >= list->max - list->n || memchr(name.p, '\0', name.n))
        return false;
    memcpy(list->out + list->n, join, strlen(join));
    memcpy(list->out + list->n + strlen(join), name.p, name.n);
    list->n += needed;
    return false;
}

size_t stream_tls_peer_names(struct stream *st, enum tls_name_kind kind, char *out, size_t max)
{
    assert(stream_is_tls(st) && max > 0);
    struct name_list list = {.out = out, .max = max};
    (void)visit_names(stream_tls_of(st), kind, append, &list);
    out[list.n] = '\0';
    return list.n;
}
