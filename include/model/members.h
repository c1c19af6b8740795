/*
 * members.h - the nodes of a discovered cluster: made from DNS answers, compared, copied.
 *
 * Pure: DNS is spoken elsewhere. Nodes carry the configuration's defaults in everything that
 * DNS does not tell.
 */
#ifndef MODEL_MEMBERS_H
#define MODEL_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "model/config/config.h"

/* No cluster has more: what an answer tells beyond that, in the order of names, is left out. */
#define MEMBERS_MAX 1024u

struct members {
    struct node_conf *nodes; /* owned, with their strings; sorted by name */
    size_t n;
    size_t left_out; /* beyond MEMBERS_MAX */
};

/* One node as DNS tells it. */
struct member_record {
    const char *target;  /* SRV's target as it came; null for an A or AAAA answer */
    const char *address; /* numeric, without port: "10.0.0.7", "2001:db8::7" */
    uint16_t port;       /* host order */
    uint16_t priority;   /* SRV: the lowest of the answer is primary, all higher ones backup */
    uint16_t weight;     /* SRV: 0 counts as 1 */
};

/*
 * Make the members of n records. Names are what node_name says: the target in lower case and
 * without its last dot ("target:port" where one target has several ports), or the address as
 * "10.0.0.7:1883". Of several addresses for one name one counts, IPv4 before IPv6 and then the
 * first by text, so that every router picks the same; of one address told twice the lower
 * priority, then the higher weight. Records with port 0, or with the root as their target
 * (RFC 2782: no such service), are left out. False when memory is short.
 */
MUST_USE bool members_make(const struct discovery_conf *conf, const struct member_record *records,
                           size_t n, struct members *out);

/* What became of the nodes, by name. */
struct members_change {
    size_t added, removed;
    size_t altered; /* the same name with another address, weight or role */
};

/* All 0 when both are the same. */
struct members_change members_compare(const struct members *before, const struct members *after);

MUST_USE bool members_copy(const struct members *from, struct members *out);

/* Copies of these nodes, sorted. False when memory is short. */
MUST_USE bool members_of_nodes(const struct node_conf *const *nodes, size_t n, struct members *out);

/* Whether both send the same DNS query. refresh_ms is not part of the query. */
bool members_same_query(const struct discovery_conf *a, const struct discovery_conf *b);
bool members_equal(const struct members *a, const struct members *b);
void members_fini(struct members *members); /* leaves it empty */

#endif
