/*
 * dns_answer.h - what a look into DNS has found: services, and the addresses of their hosts.
 *
 * Plain data. A question for A or AAAA makes one service without a target; SRV makes one a
 * record. Each service names its hosts: the questions for addresses, one a family.
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
    DNS_HOST_UNKNOWN, /* not answered yet, or not asked in time */
    DNS_HOST_FOUND,
    DNS_HOST_EMPTY, /* the server says that there is no such record */
    DNS_HOST_FAILED /* nobody knows: addresses of an earlier answer stand in */
};

typedef char dns_address_text[INET6_ADDRSTRLEN];

/* One name, asked for the addresses of one family. */
struct dns_host {
    char *name; /* owned, in the answer's spelling */
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
    uint32_t ttl_s;  /* the lowest of all; UINT32_MAX while nothing was found */
    size_t left_out; /* SRV records beyond MEMBERS_MAX, the highest priorities first */
    bool failed;     /* some question was not answered: ask again soon */
    char error[384]; /* the first failure, else the first "no such record"; "" = none */
};

/* Null when memory is short. */
MUST_USE struct dns_answer *dns_answer_new(void);
void dns_answer_free(struct dns_answer *answer); /* null is allowed */

/* Remember "NAME RECORD: why"; a failure goes before an emptiness, the first before later ones. */
void dns_answer_note(struct dns_answer *answer, bool failed, const char *what, const char *why);

/*
 * Put services in order, leave out what is beyond MEMBERS_MAX, and add the hosts to ask for:
 * each target once, for A and for AAAA. False when memory is short.
 */
MUST_USE bool dns_answer_add_targets(struct dns_answer *answer);

/* One service without a target, as the configuration has it. False when memory is short. */
MUST_USE bool dns_answer_add_name(struct dns_answer *answer, const struct discovery_conf *conf);

/* Let the addresses of an earlier answer stand in for hosts that failed. False: memory short. */
MUST_USE bool dns_answer_keep(struct dns_answer *answer, const struct dns_answer *before);

bool dns_service_has_address(const struct dns_answer *answer, const struct dns_service *service);

/* The members of an answer; none is possible. False when memory is short. */
MUST_USE bool dns_answer_members(const struct dns_answer *answer, const struct discovery_conf *conf,
                                 struct members *out);

#endif
