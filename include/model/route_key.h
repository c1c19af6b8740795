/*
 * route_key.h - extract a connection's key, which decides its home node.
 *
 * Pure: no allocation, no I/O, no clock; safe to call from any thread.
 */
#ifndef MODEL_ROUTE_KEY_H
#define MODEL_ROUTE_KEY_H

#include <stdbool.h>

#include "base/span.h"
#include "base/util.h"
#include "model/config/config.h"

/* Maximum length of a DNS name (RFC 1035 section 2.3.4). */
#define ROUTE_SERVER_NAME_MAX 255u

/*
 * Normalize a server name for hashing: convert ASCII letters to lower case, and remove one trailing
 * dot. DNS ignores these differences (RFC 4343), and clients differ in what they send. Text that is
 * too long for a DNS name is returned unchanged.
 *
 *   space   buffer for the result
 *
 * The result is absent or empty if the name is.
 */
struct span route_key_server_name(struct span name, uint8_t space[ROUTE_SERVER_NAME_MAX]);

/* Properties of a connection that can be its key. Unknown ones are absent or empty. */
struct route_facts {
    struct span client_id;
    struct span username;
    struct span source_ip; /* text: "192.0.2.1", "2001:db8::1"; only used if route_key_asks() */
    struct span tls_cn;    /* common name of a verified device certificate */
    struct span sni;       /* server name that the device or a trusted proxy sent, normalized by
                              route_key_server_name() */
};

/* Return whether all keys of this cluster are server names, or prefixes of them. */
MUST_USE bool route_key_is_server_name(const struct cluster_conf *cluster);

/* Return whether keys of this cluster can come from this source. */
MUST_USE bool route_key_asks(const struct cluster_conf *cluster, enum route_source source);

/*
 * Find the key by the first rule in the cluster's route_by that yields one. If no rule does, and
 * the cluster's empty_client_id is "source_ip", the key is the source address. An empty value or
 * prefix is never a key, because all devices without a client identifier would share a home.
 *
 * Returns false, and leaves *key untouched, if there is no key.
 */
MUST_USE bool route_key_pick(const struct cluster_conf *cluster, const struct route_facts *facts,
                             struct span *key);

#endif
