/*
 * route_key.h - which bytes of a connection decide its home node.
 *
 * Pure: no allocation, no I/O, no clock; safe from any thread.
 */
#ifndef MODEL_ROUTE_KEY_H
#define MODEL_ROUTE_KEY_H

#include <stdbool.h>

#include "base/span.h"
#include "base/util.h"
#include "model/config/config.h"

/* A DNS name is no longer (RFC 1035 section 2.3.4). */
#define ROUTE_SERVER_NAME_MAX 255u

/*
 * The form of a server name that is hashed: ASCII letters in lower case, without one trailing
 * dot. Both mean the same name in DNS (RFC 4343), and clients send them in any form. A text that
 * is too long to be a name is returned as it is.
 *
 *   space   where the form is written; the result points into it, and is absent or empty when
 *           the name is
 */
struct span route_key_server_name(struct span name, uint8_t space[ROUTE_SERVER_NAME_MAX]);

/* What is known of a connection when it is routed; absent or empty = not present. */
struct route_facts {
    struct span client_id;
    struct span username;
    struct span source_ip; /* text: "192.0.2.1", "2001:db8::1"; where route_key_asks() for it */
    struct span tls_cn;    /* of a verified device certificate */
    struct span sni;       /* the server name that the device or a trusted proxy sent, in the
                              form of route_key_server_name() */
};

/* Is every key of this cluster a server name, or a prefix of one? */
MUST_USE bool route_key_is_server_name(const struct cluster_conf *cluster);

/* May a key of this cluster come from there? */
MUST_USE bool route_key_asks(const struct cluster_conf *cluster, enum route_source source);

/*
 * The key of the first rule of the cluster's route_by that yields one; when there is none and
 * the cluster's empty_client_id is "source_ip", the source address. The empty string is never a
 * key, be it a whole value or a prefix: it would send every device without an id to one node.
 *
 * False when nothing is left to hash; *key is untouched then.
 */
MUST_USE bool route_key_pick(const struct cluster_conf *cluster, const struct route_facts *facts,
                             struct span *key);

#endif
