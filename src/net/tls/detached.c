/*
 * detached.c - a TLS stream without OpenSSL's SSL: create and free it, and the facts of its
 * handshake.
 *
 * Behaves like stream.c, for the session and for the peer: see detached_read.c, detached_write.c.
 */
#include "detached.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/slab.h"

/* ---- create and free -------------------------------------------------------------------- */

static enum stream_result detached_open(struct stream *st)
{
    (void)st;
    return STREAM_OK;
}

static enum stream_settled detached_settle(struct stream **st)
{
    (void)st;
    return STREAM_SETTLED;
}

static void detached_free(struct stream *st)
{
    struct stream_detached *d = stream_detached_of(st);
    tls_records_fini(&d->records, d->lib->ciphers);
    stream_detached_drop_held(d);
    tls_socket_fini(&d->base.socket);
    close(d->base.socket.fd);
    free(d->base.fault);
    slab_free(d, sizeof(*d) + d->sni_n + d->alpn_n + d->cn_n + d->key_alg_n);
}

static const struct stream_ops detached_ops = {.open = detached_open,
                                               .read = stream_detached_read,
                                               .write = stream_detached_write,
                                               .close_write = stream_detached_close_write,
                                               .settle = detached_settle,
                                               .free = detached_free,
                                               .error = stream_tls_error};

/* ---- facts ------------------------------------------------------------------------------ */

static uint8_t *append(uint8_t *to, const void *from, size_t n)
{
    return n > 0 ? mempcpy(to, from, n) : to; /* `from` may be null */
}

static void copy_facts(struct stream_detached *d, const struct tls_facts *facts)
{
    uint8_t *p = d->names;
    d->is_resumed = facts->resumed;
    d->has_certificate = facts->client_certificate;
    d->is_verified = facts->client_verified;
    d->cipher = facts->cipher;
    d->sig_alg = facts->sig_alg ? OBJ_sn2nid(facts->sig_alg) : NID_undef;
    d->sni_n = (uint16_t)facts->sni.n;
    d->alpn_n = (uint8_t)facts->alpn_n;
    d->cn_n = (uint16_t)facts->cn.n;
    d->key_alg_n = (uint8_t)strlen(facts->key_alg);
    p = append(p, facts->sni.p, d->sni_n);
    p = append(p, facts->alpn, d->alpn_n);
    p = append(p, facts->cn.p, d->cn_n);
    (void)append(p, facts->key_alg, d->key_alg_n);
}

void stream_detached_facts(const struct stream_detached *d, struct tls_facts *out)
{
    const uint8_t *alpn = d->names + d->sni_n, *cn = alpn + d->alpn_n;
    *out = (struct tls_facts){.version = d->records.is_tls13 ? "TLSv1.3" : "TLSv1.2",
                              .cipher = d->cipher,
                              .sni = span_of(d->sni_n > 0 ? d->names : NULL, d->sni_n),
                              .alpn = d->alpn_n > 0 ? alpn : NULL,
                              .alpn_n = d->alpn_n,
                              .resumed = d->is_resumed,
                              .detached = true,
                              .client_certificate = d->has_certificate,
                              .client_verified = d->is_verified,
                              .cn = span_of(d->cn_n > 0 ? cn : NULL, d->cn_n),
                              .sig_alg = d->sig_alg ? OBJ_nid2sn(d->sig_alg) : NULL};
    memcpy(out->key_alg, cn + d->cn_n, d->key_alg_n);
}

struct stream *stream_detached_new(const struct tls_base *base, const struct tls_library *lib,
                                   const struct tls_records *records, const struct tls_facts *facts)
{
    const size_t names_n = facts->sni.n + facts->alpn_n + facts->cn.n + strlen(facts->key_alg);
    struct stream_detached *d = slab_alloc(sizeof(*d) + names_n);
    if (!d)
        return NULL;
    *d = (struct stream_detached){.base = *base, .lib = lib, .records = *records};
    d->base.stream.ops = &detached_ops;
    d->base.is_detached = true;
    copy_facts(d, facts);
    return &d->base.stream;
}
