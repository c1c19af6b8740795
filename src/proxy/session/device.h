/*
 * device.h - facts about a device beyond its socket, from its TLS handshake or a load balancer's
 * PROXY header; and the PROXY header that sends them to the node.
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
    struct address destination; /* valid if header.has_address */
};

/* Set the session's source address from the complete PROXY header, if the header has an address. */
void device_take_address(struct session *s);

/*
 * Get the facts about the device's identity and TLS: from our own handshake if TLS is terminated
 * here, otherwise from the PROXY header. Also fills `tls` after a handshake. Spans are valid as
 * long as the session's client stream and `tls`.
 */
void device_facts(struct session *s, struct tls_facts *tls, struct proxy_facts *out);

/*
 * Write the PROXY header for the session's cluster. Returns its size; 0 if the cluster uses none.
 */
size_t device_proxy_header(struct session *s, uint8_t out[PROXY_V2_MAX]);

/* Return the stored part of the client identifier or user name; p is null if there is none. */
struct span session_client_id(const struct session *s);
struct span session_username(const struct session *s);

/* Format the session id for the log and the unique id TLV: 16 hex digits and a terminator. */
#define SESSION_ID_TEXT_MAX 17u
const char *session_id_text(const struct session *s, char text[SESSION_ID_TEXT_MAX]);

void proxy_in_free(struct proxy_in *proxy_in);

#endif
