/*
 * admission.h - who may come in, by where from and how often: what the workers of a process know
 * of sources and of client identifiers.
 *
 * Two tables, both of fixed size, so that nobody can grow them: sources (an IPv4 address, or an
 * IPv6 /64), and client identifiers. What was used least lately makes room;
 * a source that has connections never does: when all have some, further ones go unlimited and
 * are counted. Keys are hashed with a seed of this process, so that nobody outside can aim at a
 * place of the table.
 *
 * Safe from any thread: the tables are in shards, each behind a mutex that is held for some ten
 * instructions. No system call in the common case, no allocation after admission_new().
 *
 * A client identifier is anybody's word until a node has accepted its CONNECT. So that nobody can
 * lock out a device by using its name, CONNECTs count against the identifier together with the
 * source and the common name of a verified certificate; and once a node has accepted one of such a
 * pair, for a day only those that are accepted count. Against the identifier alone count only
 * accepted ones, and of these there may be twice as many.
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
 * Null when memory is short. Memory is taken as the tables fill, or lazily by the kernel.
 */
MUST_USE struct admission *admission_new(const struct limits_conf *limits, uint64_t seed);
void admission_free(struct admission *a); /* null is allowed; nobody may hold a place any more */

/* ---- sources ---- */

enum admission_verdict {
    ADMISSION_GRANTED,
    ADMISSION_TOO_MANY, /* the source has per_source.max_connections already */
    ADMISSION_TOO_FAST  /* ... or has opened more than max_connects_per_s, and its burst */
};

/* A connection's place among its source's; 0 = it has none. */
typedef uint32_t admission_place;

/*
 * A connection comes.
 *
 *   conf    the limits now; they may be others at the next call (reload)
 *   now_us  monotonic
 *   place   on GRANTED: to be given back by admission_leave(); 0 when the source is not limited
 *           (exempt, no limits at all, a Unix socket, a full table)
 */
enum admission_verdict admission_enter(struct admission *a, const struct per_source_conf *conf,
                                       const struct address *source, uint64_t now_us,
                                       admission_place *place);
void admission_leave(struct admission *a, admission_place place); /* 0 is allowed */

/* ---- client identifiers ---- */

/* Who connects: the identifier as CONNECT has it, not empty, and where from. */
struct admission_client {
    struct span id;
    struct span certificate; /* common name of a verified certificate; absent = none */
    const struct address *source;
};

/* By what such a one is known: together with its source, and the identifier alone. */
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
 * A node gets the CONNECT: it counts, unless its pair is known. One that no node could be found for
 * does not count, or a fleet that keeps trying while all nodes are down would be locked out when
 * they are back. Returns the length of a penalty of the pair that begins now, to be logged; else 0.
 */
uint32_t admission_placed(struct admission *a, const struct flapping_conf *conf,
                          const struct admission_key *key, uint64_t now_us);

/* What a node's accepting a CONNECT shows. */
struct admission_news {
    bool penalised;       /* above the limit: a penalty begins now */
    uint32_t penalty_ms;  /* its length */
    bool contested;       /* two sources take it from each other in turns; once a minute at most */
    struct address rival; /* when contested: the other source; the port is nobody's */
};

/*
 * A node has accepted the CONNECT (CONNACK with code 0). Contested is: within window_ms (60 s at
 * least), the identifier changed from source A to B, back to A and to B again.
 */
MUST_USE struct admission_news admission_accepted(struct admission *a,
                                                  const struct flapping_conf *conf,
                                                  const struct admission_key *key,
                                                  const struct address *source, uint64_t now_us);

/* What the tables hold now, for metrics. */
struct admission_gauges {
    uint32_t sources, clients;  /* remembered now */
    uint64_t sources_unlimited; /* connections that went unlimited because the table was full */
    uint64_t evicted;           /* entries that made room, both tables */
};
void admission_gauges(struct admission *a, struct admission_gauges *out);

#endif
