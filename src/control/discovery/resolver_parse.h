/*
 * resolver_parse.h - add the records of DNS messages to an answer.
 */
#ifndef CONTROL_DISCOVERY_RESOLVER_PARSE_H
#define CONTROL_DISCOVERY_RESOLVER_PARSE_H

#include "base/span.h"
#include "dns_answer.h"

/*
 * Each parses one whole message, with its lowest TTL, and returns an ARES_ status: ARES_SUCCESS,
 * ARES_ENODATA if there is no record of that type, or the error.
 */
int resolver_parse_services(struct span message, struct dns_answer *answer);
int resolver_parse_addresses(struct span message, struct dns_answer *answer, struct dns_host *host);

#endif
