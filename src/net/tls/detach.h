/*
 * detach.h - turn an attached stream into a detached one. Private to net/tls.
 */
#ifndef NET_TLS_DETACH_H
#define NET_TLS_DETACH_H

#include "internal.h"
#include "stream.h"

/*
 * A detached stream for an attached one of which OpenSSL holds no bytes. It takes the socket; the
 * caller frees the rest of `t`. Null if that is not possible: *out is then the reason, and nothing
 * has changed.
 */
MUST_USE struct stream *stream_tls_detach(struct stream_tls *t, const struct tls_library *lib,
                                          enum stream_settled *out);

#endif
