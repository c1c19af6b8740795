/*
 * dns_answer.h - the result of a DNS query: services, and the addresses of their hosts.
 *
 * Plain data. A query for A or AAAA yields one service without a target; a query for SRV yields one
 * service per record. Each service refers to its hosts, one per address family.
 */
#ifndef CONTROL_DISCOVERY_DNS_ANSWER_H
#define CONTROL_DISCOVERY_DNS_ANSWER_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "model/config/config.h"
#include "model/members.h"

enum dns_host_state {
    DNS_HOST_UNKNOWN, /* not answered yet */
    DNS_HOST_FOUND,
    DNS_HOST_EMPTY, /* no such record */
    DNS_HOST_FAILED /* the query failed: the addresses of an earlier answer are used */
};

typedef char dns_address_text[INET6_ADDRSTRLEN];

/* A name, and one address family to query for it. */
struct dns_host {
    char *name; /* owned; spelled as in the answer */
    int family; /* AF_INET, AF_INET6 */
    enum dns_host_state state;
    dns_address_text *addresses; /* owned; numeric text */
    size_t n;
};

struct dns_service {
    char *target; /* owned; null for A and AAAA */
    uint16_t port, priority, weight;
    size_t first_host, n_hosts;
};

struct dns_answer {
    struct dns_service *services; /* owned */
    size_t n_services;
    struct dns_host *hosts; /* owned */
    size_t n_hosts;
    uint32_t ttl_s;  /* the lowest TTL; UINT32_MAX if nothing was found */
    size_t left_out; /* SRV records dropped because there are more than MEMBERS_MAX */
    bool failed;     /* a query failed: retry soon */
    char error[384]; /* the first failure or, if there is none, the first "no such record" */
};

/* Returns null if out of memory. */
MUST_USE struct dns_answer *dns_answer_new(void);
void dns_answer_free(struct dns_answer *answer); /* null is allowed */

/*
 * Store the error "NAME RECORD: why". A failure replaces "no such record"; otherwise, the first
 * error is kept.
 */
void dns_answer_note(struct dns_answer *answer, bool failed, const char *what, const char *why);

/*
 * Sort the services, drop those beyond MEMBERS_MAX (the highest priority values), and add the hosts
 * to query: each target once, for A and for AAAA. Returns false if out of memory.
 */
MUST_USE bool dns_answer_add_targets(struct dns_answer *answer);

/* Add one service without a target, from the configuration. Returns false if out of memory. */
MUST_USE bool dns_answer_add_name(struct dns_answer *answer, const struct discovery_conf *conf);

/* Use an earlier answer's addresses for hosts that failed. Returns false if out of memory. */
MUST_USE bool dns_answer_keep(struct dns_answer *answer, const struct dns_answer *before);

bool dns_service_has_address(const struct dns_answer *answer, const struct dns_service *service);

/* Create the members from an answer; there may be none. Returns false if out of memory. */
MUST_USE bool dns_answer_members(const struct dns_answer *answer, const struct discovery_conf *conf,
                                 struct members *out);

#endif
