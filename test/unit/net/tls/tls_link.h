/*
 * tls_link.h - a TLS server stream and its client, connected by a socket pair, and the files and
 * contexts that they need.
 */
#ifndef UNIT_NET_TLS_TLS_LINK_H
#define UNIT_NET_TLS_TLS_LINK_H

#include "tls_peer.h"

struct world {
    struct test_files files;
    struct certificate_conf certificate;
    struct tls_conf conf;
    struct tls_ticket_keys *keys;
    struct tls_library *lib;
    struct tls_context *ctx;
};

/* One server stream and one client, connected by a socket pair. */
struct link {
    struct stream *server;
    struct peer peer;
};

/* Detach the server stream in link_open(): the same tests hold for both kinds of streams. */
static bool link_detaches;

static inline int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    char error[TLS_ERROR_MAX];
    assert_non_null(w);
    signal(SIGPIPE, SIG_IGN);
    files_init(&w->files);
    w->certificate = make_certificate(&w->files, "router.test");
    w->conf = (struct tls_conf){.certificates = &w->certificate,
                                .n_certificates = 1,
                                .min_version = TLS1_2_VERSION,
                                .detach = link_detaches};
    w->keys = tls_ticket_keys_generate(NULL, 0);
    assert_non_null(w->keys);
    w->lib = tls_library_new();
    assert_non_null(w->lib);
    w->ctx = tls_context_new(w->lib, &w->conf, w->keys, error);
    assert_non_null(w->ctx);
    *state = w;
    return 0;
}

static inline int world_teardown(void **state)
{
    struct world *w = *state;
    tls_context_free(w->ctx);
    tls_ticket_keys_unref(w->keys);
    tls_library_free(w->lib);
    files_fini(&w->files);
    free(w);
    return 0;
}

static inline void link_init(struct link *l, struct tls_context *ctx, int version)
{
    int fds[2];
    make_pair(fds);
    peer_init(&l->peer, fds[1], version);
    l->server = stream_tls_accept(ctx, fds[0]);
    assert_non_null(l->server);
}

/* Data must have been sent: only then is the explicit nonce of TLS 1.2 known. */
static inline void link_detach(struct link *l)
{
    send_up(&l->peer, l->server, (const uint8_t *)"up", 2);
    send_down(l->server, &l->peer, (const uint8_t *)"down", 4);
    assert_int_equal(stream_settle(&l->server), STREAM_SETTLED);
}

static inline void link_open(struct link *l, struct tls_context *ctx, int version)
{
    link_init(l, ctx, version);
    uint8_t byte;
    size_t got;
    assert_int_equal(shake(l->server, &l->peer), STREAM_OK);
    peer_settle(&l->peer);
    if (link_detaches)
        link_detach(l);
    /* the last flight emptied the socket: the next read returns WANT_READ once */
    assert_int_equal(stream_read(l->server, &byte, 1, &got), STREAM_WANT_READ);
}

static inline void link_fini(struct link *l)
{
    stream_free(l->server);
    peer_fini(&l->peer);
}

#endif
