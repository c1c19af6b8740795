/*
 * admission.h - limit connections per source, and CONNECTs per client identifier. All workers of
 * the process share the state.
 *
 * There are two tables of fixed size: one for sources (an IPv4 address or an IPv6 /64), one for
 * client identifiers. A full table evicts its least recently used entry, but never a source that
 * has connections. If all sources have connections, further sources are not limited, and their
 * connections are counted in `sources_unlimited`. Keys are hashed with a random seed, so that an
 * attacker cannot choose colliding keys.
 *
 * All functions are thread-safe: the tables are sharded, and each shard has a mutex that is held
 * for about ten instructions. Without contention, there are no system calls. Nothing is allocated
 * after admission_new().
 *
 * A client identifier is unverified until a node has accepted its CONNECT, and a client must not be
 * able to lock out a device by using the device's identifier. So CONNECTs are counted per pair of
 * identifier and source; the source includes the common name of a verified certificate. After a
 * node has accepted a CONNECT of a pair, only accepted CONNECTs of the pair are counted for a day.
 * For the identifier alone, only accepted CONNECTs are counted, and the limit is twice as high.
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
 * limits   provides the table sizes; not used after the call
 * seed     random seed for the hashes
 *
 * Returns null if out of memory. The kernel maps pages lazily, so memory use grows as the tables
 * fill.
 */
MUST_USE struct admission *admission_new(const struct limits_conf *limits, uint64_t seed);
void admission_free(struct admission *a); /* null is allowed; all places must have been released */

/* ---- sources ---- */

enum admission_verdict {
    ADMISSION_GRANTED,
    ADMISSION_TOO_MANY, /* the source has reached per_source.max_connections */
    ADMISSION_TOO_FAST  /* the source has exceeded per_source.max_connects_per_s */
};

/* Identifies the table entry in which a connection is counted; 0 = none. */
typedef uint32_t admission_place;

/*
 * Count a new connection of a source, or reject it.
 *
 *   conf    the current limits; a reload can change them between calls
 *   now_us  monotonic
 *   place   set on GRANTED; release it with admission_leave(). 0 if the source is not limited
 *           (exempt, no limits configured, a Unix socket, a full table)
 */
enum admission_verdict admission_enter(struct admission *a, const struct per_source_conf *conf,
                                       const struct address *source, uint64_t now_us,
                                       admission_place *place);
void admission_leave(struct admission *a, admission_place place); /* 0 is allowed */

/* ---- client identifiers ---- */

/* A client: the identifier in its CONNECT, not empty, and its source. */
struct admission_client {
    struct span id;
    struct span certificate; /* common name of a verified certificate; absent = none */
    const struct address *source;
};

/* The keys of a client: the pair of identifier and source, and the identifier alone. */
struct admission_key {
    struct key_hash pair, alone;
};

struct admission_key admission_key(const struct admission *a,
                                   const struct admission_client *client);

/*
 * Return the remaining time, in milliseconds, of the penalty for this pair, or for the identifier
 * from any source, whichever is longer; 0 = no penalty. Call this for every valid CONNECT. The
 * caller decides whether to reject the CONNECT (limits.flapping.refuse).
 */
uint32_t admission_connect(struct admission *a, const struct admission_key *key, uint64_t now_us);

/*
 * Count a CONNECT that is sent to a node, unless a node has accepted the pair within the last day.
 * Do not call this if no node is available; otherwise a fleet that retries while all nodes are down
 * would be locked out when they return. If this CONNECT starts a penalty for the pair, returns its
 * length, for the log; else 0.
 */
uint32_t admission_placed(struct admission *a, const struct flapping_conf *conf,
                          const struct admission_key *key, uint64_t now_us);

/* The result of admission_accepted(). */
struct admission_news {
    bool penalised;       /* the CONNECT exceeds the limit and starts a penalty */
    uint32_t penalty_ms;  /* length of the penalty */
    bool contested;       /* two sources alternate; set at most once per minute */
    struct address rival; /* if contested: the other source; ignore its port */
};

/*
 * Count a CONNECT that a node has accepted (CONNACK with code 0). The identifier is contested if it
 * changed from source A to B, back to A and to B again within window_ms (at least 60 s).
 */
MUST_USE struct admission_news admission_accepted(struct admission *a,
                                                  const struct flapping_conf *conf,
                                                  const struct admission_key *key,
                                                  const struct address *source, uint64_t now_us);

/* The state of the tables, for metrics. */
struct admission_gauges {
    uint32_t sources, clients;  /* current number of entries */
    uint64_t sources_unlimited; /* total connections not limited because the table was full */
    uint64_t evicted;           /* total entries evicted from both tables */
};
void admission_gauges(struct admission *a, struct admission_gauges *out);

#endif
