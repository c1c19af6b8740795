/*
 * admission.h - admit or reject connections by the number and rate per source and per client
 * identifier; the state is shared by all workers of a process.
 *
 * Two tables of fixed size, which no client can grow: sources (an IPv4 address, or an IPv6 /64),
 * and client identifiers. The least recently used entry is evicted. A source that has connections
 * is never evicted; if all have some, connections of further sources are not limited, but counted.
 * Keys are hashed with a random seed of this process, so that an attacker cannot choose keys that
 * collide.
 *
 * Safe from any thread: the tables are sharded, and each shard has a mutex that is held for about
 * ten instructions. No system call in the common case, no allocation after admission_new().
 *
 * A client identifier is unverified until a node has accepted its CONNECT. A client must not be
 * able to lock out a device by using its identifier. So CONNECTs count against the pair of
 * identifier and source, where the source includes the common name of a verified certificate. After
 * a node has accepted a CONNECT of the pair, only accepted ones count for a day. Against the
 * identifier alone, only accepted CONNECTs count, and the limit is twice as high.
 */
#ifndef PROXY_ADMISSION_ADMISSION_H
#define PROXY_ADMISSION_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "base/util.h"
#include "model/config/config.h"
#include "model/key_hash.h"
#include "net/address.h"

struct admission;

/*
 * limits   the table sizes are taken from it, once
 * seed     of the hashes; random
 *
 * Null if memory is short. Pages are used as the tables fill, because the kernel maps them lazily.
 */
MUST_USE struct admission *admission_new(const struct limits_conf *limits, uint64_t seed);
void admission_free(struct admission *a); /* null is allowed; all places must be free */

/* ---- sources ---- */

enum admission_verdict {
    ADMISSION_GRANTED,
    ADMISSION_TOO_MANY, /* the source already has per_source.max_connections */
    ADMISSION_TOO_FAST  /* ... or has opened more than max_connects_per_s, and its burst */
};

/* A connection's place among those of its source; 0 = none. */
typedef uint32_t admission_place;

/*
 * A new connection.
 *
 *   conf    the current limits; a reload may change them between calls
 *   now_us  monotonic
 *   place   on GRANTED: must be given back by admission_leave(); 0 if the source is not limited
 *           (exempt, no limits at all, a Unix socket, a full table)
 */
enum admission_verdict admission_enter(struct admission *a, const struct per_source_conf *conf,
                                       const struct address *source, uint64_t now_us,
                                       admission_place *place);
void admission_leave(struct admission *a, admission_place place); /* 0 is allowed */

/* ---- client identifiers ---- */

/* The connecting client: the identifier from its CONNECT, not empty, and its source. */
struct admission_client {
    struct span id;
    struct span certificate; /* common name of a verified certificate; absent = none */
    const struct address *source;
};

/* The keys of a client: identifier with source, and the identifier alone. */
struct admission_key {
    struct key_hash pair, alone;
};

struct admission_key admission_key(const struct admission *a,
                                   const struct admission_client *client);

/*
 * A readable CONNECT has arrived. Returns 0 if there is no penalty, else how many milliseconds are
 * left of the penalty of this pair of identifier and source, or of the identifier from everywhere.
 * Whether CONNECTs are refused in a penalty is the caller's decision (limits.flapping.refuse).
 */
uint32_t admission_connect(struct admission *a, const struct admission_key *key, uint64_t now_us);

/*
 * A CONNECT is sent to a node: it counts, unless a node has accepted the pair before. A CONNECT
 * without an available node does not count; otherwise a fleet that retries while all nodes are down
 * would be locked out when they return. Returns the length of a penalty of the pair that begins
 * now, to be logged; else 0.
 */
uint32_t admission_placed(struct admission *a, const struct flapping_conf *conf,
                          const struct admission_key *key, uint64_t now_us);

/* What follows from an accepted CONNECT. */
struct admission_news {
    bool penalised;      /* above the limit: a penalty begins now */
    uint32_t penalty_ms; /* its length */
    bool contested;      /* two sources take it from each other by turns; at most once per minute */
    struct address rival; /* if contested: the other source; its port has no meaning */
};

/*
 * A node has accepted the CONNECT (CONNACK with code 0). The identifier is contested if it changed
 * from source A to B, back to A and to B again within window_ms (at least 60 s).
 */
MUST_USE struct admission_news admission_accepted(struct admission *a,
                                                  const struct flapping_conf *conf,
                                                  const struct admission_key *key,
                                                  const struct address *source, uint64_t now_us);

/* The current content of the tables, for metrics. */
struct admission_gauges {
    uint32_t sources, clients;  /* current number of entries */
    uint64_t sources_unlimited; /* connections that were not limited because the table was full */
    uint64_t evicted;           /* evicted entries, both tables */
};
void admission_gauges(struct admission *a, struct admission_gauges *out);

#endif
