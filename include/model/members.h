/*
 * members.h - make the nodes of a discovered cluster from DNS answers, compare and copy them.
 *
 * Pure: sends no DNS queries. Node settings that DNS does not provide have their defaults.
 */
#ifndef MODEL_MEMBERS_H
#define MODEL_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "model/config/config.h"

/* Maximum number of nodes in a cluster. If there are more, the first ones by name are used. */
#define MEMBERS_MAX 1024u

struct members {
    struct node_conf *nodes; /* owned, with their strings; sorted by name */
    size_t n;
    size_t left_out; /* number of nodes beyond MEMBERS_MAX */
};

/* One record of a DNS answer. */
struct member_record {
    const char *target;  /* SRV target as received; null for an A or AAAA record */
    const char *address; /* numeric, without port: "10.0.0.7", "2001:db8::7" */
    uint16_t port;       /* host order */
    uint16_t priority;   /* SRV: nodes with the lowest value are primaries, others backups */
    uint16_t weight;     /* SRV: 0 is treated as 1 */
};

/*
 * Make the members from n records. node_name selects how nodes are named: by target, in lower case
 * and without its final dot ("target:port" if the target has several ports), or by address, as
 * "10.0.0.7:1883".
 *
 * Of several addresses with the same name, one is used: IPv4 before IPv6, then the first in the
 * order of strcmp(), so that every router selects the same one. Of duplicate addresses, the record
 * with the lower priority value is used, then that with the higher weight. Records with port 0, or
 * with the root as target (RFC 2782: no such service), are ignored.
 *
 * Returns false if out of memory.
 */
MUST_USE bool members_make(const struct discovery_conf *conf, const struct member_record *records,
                           size_t n, struct members *out);

/* Numbers of nodes that differ between two lists. */
struct members_change {
    size_t added, removed;
    size_t altered; /* same name, but another address, weight or role */
};

/* Compare the nodes by name. All counts are 0 if both lists are equal. */
struct members_change members_compare(const struct members *before, const struct members *after);

MUST_USE bool members_copy(const struct members *from, struct members *out);

/* Copy the nodes, and sort the copies by name. Returns false if out of memory. */
MUST_USE bool members_of_nodes(const struct node_conf *const *nodes, size_t n, struct members *out);

/* Return whether both settings are equal, except for refresh_ms. */
bool members_same_query(const struct discovery_conf *a, const struct discovery_conf *b);
bool members_equal(const struct members *a, const struct members *b);
void members_fini(struct members *members); /* *members is then empty */

#endif
