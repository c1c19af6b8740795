/*
 * device.h - what is known of a device beyond its socket: from its TLS handshake, or from the PROXY
 * header of a load balancer; and the PROXY header that passes it on to the node.
 */
#ifndef PROXY_SESSION_DEVICE_H
#define PROXY_SESSION_DEVICE_H

#include "base/buffer.h"
#include "net/address.h"
#include "net/tls/context.h"
#include "wire/proxy/protocol.h"
#include "wire/proxy/read.h"

struct session;

/* A PROXY header as received; its spans point into `bytes`. */
struct proxy_in {
    struct buffer bytes;
    struct proxy_header header;
    struct address destination; /* when header.has_address */
};

/* The header is complete: take the source address from it, if it has one. */
void device_take_address(struct session *s);

/*
 * What is known of the device's identity and its TLS: from our own handshake if TLS ended here,
 * otherwise from the header. Spans live as long as the session's client stream and `tls`, which is
 * filled on the way.
 */
void device_facts(struct session *s, struct tls_facts *tls, struct proxy_facts *out);

/*
 * Compose the PROXY header for the session's cluster. Returns its size in bytes; 0 if the cluster
 * requires none.
 */
size_t device_proxy_header(struct session *s, uint8_t out[PROXY_V2_MAX]);

/* The stored parts of client identifier and user name; p is null if there is none. */
struct span session_client_id(const struct session *s);
struct span session_username(const struct session *s);

/* A session id as in logs and in the unique id TLV: 16 digits and a terminator. */
#define SESSION_ID_TEXT_MAX 17u
const char *session_id_text(const struct session *s, char text[SESSION_ID_TEXT_MAX]);

void proxy_in_free(struct proxy_in *proxy_in);

#endif
